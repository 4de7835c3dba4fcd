import { monitorEventLoopDelay } from 'node:perf_hooks';

/*
 * The gateway of `gateway-server.ts`, which measures how late its event loop is from the message `begin` on, and tells
 * the 99th percentile in milliseconds when asked to `report`.
 */

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

await import('./gateway-server.ts');

process.on('message', (asked: 'begin' | 'report') => {
  if (asked === 'begin') delay.reset();
  // Each sample has the time in it that it was to wait.
  else process.send?.(delay.percentile(99) / 1e6 - RESOLUTION_MS);
});
