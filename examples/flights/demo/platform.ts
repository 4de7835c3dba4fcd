import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { connect, type Kedge } from 'kedge';

const KEDGE = fileURLToPath(new URL('../../../bin/kedge.mjs', import.meta.url));
const PROJECT = fileURLToPath(new URL('../kedge.ts', import.meta.url));
const DEFAULT_PORTS = [4600, 4601, 4602];

/** A platform as a user starts it: `kedge up`, and `kedge apply` with the project beside this demo. */
export interface DemoPlatform {
  readonly kedge: Kedge;
  readonly gatewayUrl: string;
  readonly readyMs: number;
  apply(file?: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startPlatform(dataDir: string): Promise<DemoPlatform> {
  const [port, gatewayPort, grpcPort] = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const ports = ['--port', `${port}`, '--gateway-port', `${gatewayPort}`, '--grpc-port', `${grpcPort}`];
  const up = spawn(process.execPath, [KEDGE, 'up', '--data', dataDir, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KEDGE_LOG_LEVEL: process.env['KEDGE_LOG_LEVEL'] ?? 'error' },
  });
  await readyLine(up);
  const kedge = connect({ url, fetch: patientFetch });
  return {
    kedge,
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    readyMs: performance.now() - startedAt,
    apply: (file = PROJECT) => run(['apply', file, '--url', url]),
    async stop() {
      if (up.exitCode !== null) return;
      up.kill('SIGTERM');
      await new Promise((resolve) => up.once('exit', resolve));
    },
  };
}

/** Fetches with patience for a control plane that is being started again; what is sent twice is idempotent. */
const patientFetch: typeof fetch = async (input, init) => {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(input, init);
      if (response.status !== 503 || attempt > 100) return response;
    } catch (error) {
      if (attempt > 100 || (error as Error).name === 'AbortError') throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(500, 20 * 2 ** attempt)));
  }
};

function readyLine(up: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    up.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Kedge is ready')) resolve();
    });
    up.once('exit', (code) => reject(new Error(`kedge up ended with code ${code} before it was ready`)));
  });
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [KEDGE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.once('exit', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`kedge ${args.join(' ')} failed:\n${err}`)),
    );
  });
}

/** The default ports when they are free, so that the console is where a reader expects it; any free ones otherwise. */
async function freePorts(): Promise<number[]> {
  const free = await Promise.all(DEFAULT_PORTS.map((port) => probe(port)));
  return free.every((port) => port !== undefined)
    ? DEFAULT_PORTS
    : Promise.all([0, 0, 0].map(async () => (await probe(0)) ?? 0));
}

function probe(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: given } = server.address() as { port: number };
      server.close(() => resolve(given));
    });
  });
}
