import { createServer } from 'node:net';

/**
 * Below those that systems give to whoever asks for any port and to connections that go out, so that nobody is given
 * one of these between the moment it is chosen and the moment it is used, or while its server is started again. Ray's
 * workers take those from 10,002 to 19,999.
 */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
const TRIES_MAX = 100;

const chosen = new Set<number>();

/** A port of this machine on which nobody listens, for a server that has to be told a number. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (chosen.has(port)) continue;
    chosen.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES_MAX} ports from ${FIRST_PORT} on is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
