import { runProcess } from '../process.ts';

const PLACE = '--place';

/** One process, unless several are to serve together: then this one listens, and starts those that serve. */
const isOneOfSeveral = process.argv[2] === PLACE;
await runProcess('gateway', async (base) => {
  if (!isOneOfSeveral && base.config.gatewayProcesses > 1) {
    const { startGatewayProcesses } = await import('./processes/start-processes.ts');
    return startGatewayProcesses(base);
  }
  const { startGatewayProcess } = await import('./gateway.ts');
  if (!isOneOfSeveral) return startGatewayProcess(base);
  const { joinSiblings } = await import('./processes/join-siblings.ts');
  return startGatewayProcess(base, await joinSiblings());
});
