import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LoadOrder, LoadResult } from './load.ts';

const WRK = 'wrk';

/** Whether Debian's `wrk`, whose own cost is a third of a client in Node, is on this machine. */
export function hasWrk(): boolean {
  try {
    execFileSync(WRK, ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // It prints its version and exits with 1; only a program that is not there cannot be started.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/** An order with headers, and bodies that may be bytes. */
export interface WrkOrder extends Omit<LoadOrder, 'bodies'> {
  readonly bodies: readonly (string | Uint8Array)[];
  readonly headers?: Readonly<Record<string, string>>;
}

interface WrkOptions {
  /** How many wrk processes share the connections; one unless told. */
  readonly processes?: number;
  /** The core that all of them run on; any unless told. */
  readonly core?: number | undefined;
}

/**
 * One round of load by `wrk`, one thread a process. Of several processes requests are summed; quantiles are those of
 * the slowest.
 */
export async function loadWithWrk(
  folder: string,
  order: WrkOrder,
  { processes = 1, core }: WrkOptions = {},
): Promise<LoadResult> {
  const script = join(folder, 'wrk.lua');
  writeFileSync(script, scriptOf(order));
  const pinned = core === undefined ? [] : ['taskset', '--cpu-list', String(core)];
  const several = Math.min(processes, order.connections);
  const results = Array.from({ length: several }, (_, i) => {
    const connections = Math.floor((order.connections + i) / several);
    const command = [WRK, '-t1', `-c${connections}`, `-d${order.seconds}s`, '-s', script, order.url];
    return runWrk([...pinned, ...command]);
  });
  return (await Promise.all(results)).reduce((sum, result) => ({
    requests: sum.requests + result.requests,
    seconds: Math.max(sum.seconds, result.seconds),
    errors: sum.errors + result.errors,
    p50Ms: Math.max(sum.p50Ms, result.p50Ms),
    p99Ms: Math.max(sum.p99Ms, result.p99Ms),
  }));
}

async function runWrk([program = WRK, ...args]: readonly string[]): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)(program, args);
  const line = stdout.split('\n').find((text) => text.startsWith('{'));
  if (!line) throw new Error(`wrk answered no result: ${stdout}`);
  return JSON.parse(line);
}

function scriptOf({ path, bodies, headers = { 'Content-Type': 'application/json' } }: WrkOrder): string {
  const named = Object.entries(headers).map(([name, value]) => `["${name}"] = "${value}"`);
  return `
local bodies = { ${bodies.map(luaText).join(',\n')} }
local headers = { ${named.join(', ')} }
local requests = {}
local at = 0
function init()
  for i, body in ipairs(bodies) do requests[i] = wrk.format("POST", "${path}", headers, body) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format('{"requests":%d,"seconds":%f,"errors":%d,"p50Ms":%f,"p99Ms":%f}\\n', summary.requests,
    summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
`;
}

function luaText(body: string | Uint8Array): string {
  if (typeof body === 'string') return `[==[${body}]==]`;
  return `"${Array.from(body, (byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;
}
