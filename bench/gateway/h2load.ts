import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LoadResult } from './load.ts';

interface CallOrder {
  /** `host:port`. */
  readonly address: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** One message, encoded. */
  readonly message: Uint8Array;
  readonly connections: number;
  readonly seconds: number;
  readonly core?: number | undefined;
}

type Calls = Pick<LoadResult, 'requests' | 'seconds' | 'errors'>;

/**
 * One round of unary gRPC calls by `h2load` (Debian's nghttp2-client), one call open a connection. It does not read
 * trailers, so whoever asks makes sure that calls are answered.
 */
export async function loadWithH2load(folder: string, order: CallOrder): Promise<Calls> {
  const { address, method, message, connections, seconds, core } = order;
  const body = join(folder, 'call.bin');
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  writeFileSync(body, Buffer.concat([head, message]));
  const pinned = core === undefined ? [] : ['taskset', '--cpu-list', String(core)];
  const [program = '', ...args] = [
    ...[...pinned, 'h2load', '-t1', `-c${connections}`, '-m1', `-D${seconds}`, `--data=${body}`],
    ...['-H', 'content-type: application/grpc', '-H', 'te: trailers', `http://${address}${method}`],
  ];
  const { stdout } = await promisify(execFile)(program, args);
  const told = /requests: (\d+) total.* (\d+) done, (\d+) succeeded, (\d+) failed/.exec(stdout);
  if (!told) throw new Error(`h2load answered no result: ${stdout}`);
  return { requests: Number(told[3]), seconds, errors: Number(told[4]) };
}
