import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { connect, type Kedge } from 'kedge';
import { ANSWER_WITHIN_MS, until } from './patience.ts';

const KEDGE = fileURLToPath(new URL('../../../bin/kedge.mjs', import.meta.url));
const PROJECT = fileURLToPath(new URL('../kedge.ts', import.meta.url));
const READY_WITHIN_MS = 60_000;
const LOG_LINES = 20;
/** `kedge up` without options, then ten apart: below the ports that systems give to outgoing connections. */
const FIRST_PORT = 4_600;
const LAST_PORT = 4_990;
/** What is answered on behalf of a process that is away. */
const PASSING: readonly number[] = [502, 503, 504];

/** A platform as a user starts it: `kedge up`, and `kedge apply` with the project beside this demo. */
export interface DemoPlatform {
  /** Asks again while the control plane is being started again. */
  readonly kedge: Kedge;
  readonly gatewayUrl: string;
  readonly readyMs: number;
  /** Applies the project. Resolves to how many resources that changed. */
  apply(): Promise<number>;
  stop(): Promise<void>;
}

export async function startPlatform(dataDir: string): Promise<DemoPlatform> {
  const [port, gatewayPort, grpcPort] = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const ports = ['--port', `${port}`, '--gateway-port', `${gatewayPort}`, '--grpc-port', `${grpcPort}`];
  const up = spawn(process.execPath, [KEDGE, 'up', '--data', dataDir, '--insecure-loopback', ...ports], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, KEDGE_LOG_LEVEL: process.env['KEDGE_LOG_LEVEL'] ?? 'error' },
  });
  const log = logOf(up);
  await ready(up, log);
  const kedge = connect({ url, fetch: patientFetch(up, log) });
  return {
    kedge,
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    readyMs: performance.now() - startedAt,
    async apply() {
      const before = await generations(kedge);
      await until('kedge apply to reach the control plane', () => kedgeCommand(['apply', PROJECT, '--url', url]));
      const after = await generations(kedge);
      return [...after].filter(([resource, generation]) => before.get(resource) !== generation).length;
    },
    stop: () => end(up),
  };
}

/** Counted from what is stored: a repeated `kedge apply` finds that everything is as it should be. */
async function generations({ resources }: Kedge): Promise<Map<string, number>> {
  const { items } = await resources.listResources();
  return new Map(items.map(({ kind, name, generation }) => [`${kind}/${name}`, generation]));
}

/** Fetches until the control plane answers; whatever is sent is idempotent, or looked at before it is sent. */
function patientFetch(up: ChildProcess, log: readonly string[]): typeof fetch {
  return (input, init) =>
    until(`an answer to ${init?.method ?? 'GET'} ${String(input)}`, async () => {
      if (hasEnded(up)) throw new Error(`kedge up ended${endOf(log)}`);
      try {
        const response = await fetch(input, { ...init, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
        // Read here and not by the caller: a process that is killed while it answers breaks off within the body.
        const body = await response.arrayBuffer();
        if (PASSING.includes(response.status)) return undefined;
        const { status, statusText, headers } = response;
        return new Response(body.byteLength > 0 ? body : null, { status, statusText, headers });
      } catch {
        return undefined;
      }
    });
}

/** What a command prints; undefined when it could not reach the control plane, or was cut off. */
async function kedgeCommand(args: readonly string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, [KEDGE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [out, problem, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code === 0) return out;
  // A refusal ends with its code in brackets, such as [resources/invalid]; it would be the same the next time.
  if (/\[[\w-]+\/[\w-]+\]/.test(problem)) throw new Error(`kedge ${args.join(' ')} failed:\n${problem}`);
  return undefined;
}

/** Passes on what the platform reports, and keeps the newest lines for the error that ends the demo. */
function logOf(up: ChildProcess): readonly string[] {
  const lines: string[] = [];
  up.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    process.stderr.write(chunk);
    lines.push(...chunk.split('\n').filter((line) => line !== ''));
    lines.splice(0, lines.length - LOG_LINES);
  });
  return lines;
}

function endOf(log: readonly string[]): string {
  return log.length > 0 ? `; the last lines of its log:\n${log.join('\n')}` : ' without a word in its log';
}

async function ready(up: ChildProcess, log: readonly string[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      up.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        if (chunk.includes('Kedge is ready')) resolve();
      });
      up.once('exit', (code) => reject(new Error(`kedge up ended with code ${code} before it was ready${endOf(log)}`)));
      const late = (): void => reject(new Error(`kedge up is not ready after ${READY_WITHIN_MS} ms${endOf(log)}`));
      timer = setTimeout(late, READY_WITHIN_MS);
    });
  } catch (error) {
    await end(up);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function hasEnded(up: ChildProcess): boolean {
  return up.exitCode !== null || up.signalCode !== null;
}

async function end(up: ChildProcess): Promise<void> {
  if (hasEnded(up)) return;
  const ended = new Promise((resolve) => up.once('exit', resolve));
  up.kill('SIGTERM');
  await ended;
}

/** The default ports when they are free, so that the console is where a reader expects it; the next ones otherwise. */
async function freePorts(): Promise<number[]> {
  for (let first = FIRST_PORT; first <= LAST_PORT; first += 10) {
    const ports = [first, first + 1, first + 2];
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return ports;
  }
  throw new Error(`no three ports are free from ${FIRST_PORT} to ${LAST_PORT + 2}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
