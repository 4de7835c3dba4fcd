import { connect, type Socket } from 'node:net';

/** What one round of load found. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LoadOrder {
  readonly url: string;
  readonly path: string;
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

/**
 * A closed loop over keep-alive connections: each sends its next request when the answer to the last is complete. It
 * reads just enough HTTP (status, content length) to know that, so that the client is not what is measured.
 */
async function load({ url, path, bodies, connections, seconds }: LoadOrder): Promise<LoadResult> {
  const { hostname, port, host } = new URL(url);
  const requests = bodies.map((body) =>
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    ),
  );
  const latencies: number[] = [];
  let errors = 0;
  let next = 0;
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  const sockets: Socket[] = [];
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(Number(port), hostname);
      socket.setNoDelay(true);
      sockets.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
      await new Promise<void>((resolve, reject) => {
        let sentMs = 0;
        let held = '';
        const send = (): void => {
          sentMs = performance.now();
          socket.write(requests[next++ % requests.length] as Buffer);
        };
        socket.on('data', (chunk) => {
          held = held === '' ? chunk.toString('latin1') : held + chunk.toString('latin1');
          const head = held.indexOf('\r\n\r\n');
          if (head < 0) return;
          const length = /content-length: (\d+)/i.exec(held)?.[1];
          if (held.length < head + 4 + Number(length)) return;
          if (!held.startsWith('HTTP/1.1 200')) errors += 1;
          held = '';
          const nowMs = performance.now();
          latencies.push(nowMs - sentMs);
          if (nowMs < endMs) send();
          else resolve();
        });
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('the server closed the connection')));
        send();
      });
      socket.removeAllListeners('close').destroy();
    }),
  );
  const elapsed = (performance.now() - startedMs) / 1_000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
  return { requests: latencies.length, seconds: elapsed, errors, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

process.on('message', (order: LoadOrder) => {
  load(order).then(
    (result) => process.send?.(result),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
