import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ForeignProtocol, ForeignReply, ForeignRequest, ForeignRoute, ProtocolGroup } from '#platform/http';
import { CHECKPOINT_PATH, KEY_PATH, type LogSource, readResource } from './log-source.ts';

/** Where the log is served: `<prefix>/checkpoint`, `<prefix>/tile/…`. */
export const LOG_PREFIX = '/api/v1/log';

const compressed = promisify(gzip);

const protocol: ForeignProtocol = {
  name: 'tlog-tiles',
  prefixes: [LOG_PREFIX],
  answerError: ({ code, message }) => ({
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: `${message} [${code}]\n`,
  }),
};

/** A log that can be brought up to date before its checkpoint is told. */
export interface GrowingLog extends LogSource {
  grow(): Promise<void>;
}

/** Serves a log as c2sp.org/tlog-tiles has it, for everybody's tools that read such logs. */
export function logProtocol(log: GrowingLog): ProtocolGroup {
  const resource = (name: string, path: `/${string}`, answer: ForeignRoute['handler']): ForeignRoute => ({
    name: `log.${name}`,
    method: 'GET',
    paths: [`${LOG_PREFIX}${path}`],
    permission: 'audit:read',
    reads: true,
    handler: answer,
  });
  const immutable = async (request: ForeignRequest, path: string): Promise<ForeignReply> => {
    const headers = {
      'content-type': 'application/octet-stream',
      'cache-control': 'private, max-age=31536000, immutable',
    };
    const body = await readResource(log, path);
    const isCompressed = path.startsWith('tile/entries/') && takesGzip(request);
    if (!isCompressed) return { headers, body };
    return {
      headers: { ...headers, 'content-encoding': 'gzip', vary: 'accept-encoding' },
      body: await compressed(body),
    };
  };
  const text = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  return {
    protocol,
    routes: [
      resource('checkpoint', '/checkpoint', async () => {
        await log.grow();
        return { headers: text, body: await readResource(log, CHECKPOINT_PATH) };
      }),
      resource('key', `/${KEY_PATH}`, async () => ({ headers: text, body: await readResource(log, KEY_PATH) })),
      resource('tile', '/tile/*', (request) => immutable(request, `tile/${request.params['*']}`)),
      resource('detail', '/detail/:seq', (request) => immutable(request, `detail/${request.params['seq']}`)),
    ],
  };
}

function takesGzip({ headers }: ForeignRequest): boolean {
  return /(^|[\s,])gzip($|[\s,;])/.test(String(headers['accept-encoding'] ?? ''));
}
