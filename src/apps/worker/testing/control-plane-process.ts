import { openControlPlane } from './control-plane.ts';

/** A control plane as a process of its own, `control-plane-process.ts <dir> <port>`. It prints its address. */
const [dir = '', port = ''] = process.argv.slice(2);
const { url } = await openControlPlane(dir, { port: Number(port) });
process.stdout.write(`${url}\n`);
