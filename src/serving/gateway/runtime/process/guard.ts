import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * Stands between the gateway and the command of a model, within whatever keeps that command apart.
 *
 * - It holds a connection to the gateway, the leash, and ends everything when that ends, so that a gateway that is
 *   killed leaves nothing behind. In a process namespace of its own it is the first process, with which all others end.
 * - A command that listens on a port does so in a network that the gateway does not see. The guard passes what comes at
 *   a UNIX socket on to it.
 */
export interface GuardOrder {
  readonly command: readonly string[];
  /** Where the gateway listens for the leash. */
  readonly leash: string;
  /** Where the gateway calls the model. */
  readonly socket: string;
}

const PORT = '{port}';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Joins each connection at the socket with one to the port. */
async function relay(socket: string, port: number): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const drop = (): void => {
      from.destroy();
      to.destroy();
    };
    for (const side of [from, to]) side.on('error', drop).on('close', drop);
    from.pipe(to);
    to.pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
}

/** Kills the command with all of its group, this process too. */
function end(code: number): never {
  try {
    // The group of the gateway's executor: everything that the command started and that did not leave it.
    process.kill(0, 'SIGKILL');
  } catch {
    // There is none where the process namespace hides it; the namespace ends with this process.
  }
  process.exit(code);
}

async function guard({ command, leash, socket }: GuardOrder): Promise<void> {
  const held: Socket = connect(leash);
  held.on('error', () => end(1)).on('close', () => end(1));
  await new Promise<void>((resolve) => held.once('connect', resolve));
  rmSync(socket, { force: true });
  const port = command.some((word) => word.includes(PORT)) ? await freePort() : undefined;
  if (port !== undefined) await relay(socket, port);
  const [program = '', ...args] = command.map((word) => word.replaceAll(PORT, String(port)));
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  child.on('error', (error) => {
    process.stderr.write(`${program}: ${error.message}\n`);
    end(127);
  });
  child.on('exit', (code, signal) => {
    if (signal) process.stderr.write(`${program} was ended by ${signal}\n`);
    process.exitCode = code ?? 1;
    held.removeAllListeners().destroy();
    process.exit();
  });
  // The first process of a namespace gets only the signals that it handles.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
}

await guard(JSON.parse(process.argv[2] ?? '{}') as GuardOrder);
