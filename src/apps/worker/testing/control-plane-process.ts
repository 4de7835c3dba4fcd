import { openControlPlane } from './control-plane.ts';

/** A control plane as a process of its own. It prints its address. Arguments: folder, port, length of leases in ms. */
const [dir = '', port = '', leaseMs = ''] = process.argv.slice(2);
const { url } = await openControlPlane(dir, { port: Number(port), leaseMs: Number(leaseMs) });
process.stdout.write(`${url}\n`);
