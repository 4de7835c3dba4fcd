import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type {
  ForeignProtocol,
  ForeignReply,
  ForeignRequest,
  ForeignRoute,
  ProtocolGroup,
  RequestContext,
} from '#platform/http';
import { CHECKPOINT_PATH, KEY_PATH, type LogSource, readResource } from './log-source.ts';

/** Where the log is served: `<prefix>/checkpoint`, `<prefix>/tile/…`. */
export const LOG_PREFIX = '/api/v1/log';
/** Where the log of the project that a request is in is served. */
export const PROJECT_LOG_PREFIX = '/api/v1/project-log';

const compressed = promisify(gzip);

const protocol: ForeignProtocol = {
  name: 'tlog-tiles',
  prefixes: [LOG_PREFIX, PROJECT_LOG_PREFIX],
  answerError: ({ code, message }) => ({
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: `${message} [${code}]\n`,
  }),
};

/** A log that can be brought up to date before its checkpoint is told. */
export interface GrowingLog extends LogSource {
  grow(): Promise<void>;
}

/** Serves the log of the installation as c2sp.org/tlog-tiles has it, for everybody's tools that read such logs. */
export function logProtocol(log: GrowingLog): ProtocolGroup {
  return serving({ prefix: LOG_PREFIX, name: 'log', permission: 'audit:read', logOf: () => log });
}

/**
 * Serves the log of each project to whoever holds MANAGE on it, under one path: the project is that of the request, as
 * everywhere. So whoever keeps answers has to keep them apart by that header.
 */
export function projectLogProtocol(logOf: (project: string) => GrowingLog): ProtocolGroup {
  return serving({
    ...{ prefix: PROJECT_LOG_PREFIX, name: 'project-log', permission: 'registry:manage' },
    logOf: ({ project }) => logOf(project),
    varies: 'x-mlflow-workspace',
  });
}

interface Served {
  readonly prefix: `/${string}`;
  readonly name: string;
  readonly permission: `${string}:${string}`;
  logOf(ctx: RequestContext): GrowingLog;
  /** The header that decides which log it is. */
  readonly varies?: string;
}

function serving({ prefix, name, permission, logOf, varies }: Served): ProtocolGroup {
  const vary = (...more: readonly string[]): { vary?: string } => {
    const all = [...(varies === undefined ? [] : [varies]), ...more];
    return all.length === 0 ? {} : { vary: all.join(', ') };
  };
  const resource = (what: string, path: `/${string}`, answer: ForeignRoute['handler']): ForeignRoute => ({
    name: `${name}.${what}`,
    method: 'GET',
    paths: [`${prefix}${path}`],
    permission,
    reads: true,
    handler: answer,
  });
  const immutable = async (request: ForeignRequest, ctx: RequestContext, path: string): Promise<ForeignReply> => {
    const headers = {
      'content-type': 'application/octet-stream',
      'cache-control': 'private, max-age=31536000, immutable',
      ...vary(),
    };
    const body = await readResource(logOf(ctx), path);
    const isCompressed = path.startsWith('tile/entries/') && takesGzip(request);
    if (!isCompressed) return { headers, body };
    return {
      headers: { ...headers, 'content-encoding': 'gzip', ...vary('accept-encoding') },
      body: await compressed(body),
    };
  };
  const text = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  return {
    protocol,
    routes: [
      resource('checkpoint', '/checkpoint', async (_request, ctx) => {
        const log = logOf(ctx);
        await log.grow();
        return { headers: text, body: await readResource(log, CHECKPOINT_PATH) };
      }),
      resource('key', `/${KEY_PATH}`, async (_request, ctx) => ({
        headers: text,
        body: await readResource(logOf(ctx), KEY_PATH),
      })),
      resource('tile', '/tile/*', (request, ctx) => immutable(request, ctx, `tile/${request.params['*']}`)),
      resource('detail', '/detail/:seq', (request, ctx) => immutable(request, ctx, `detail/${request.params['seq']}`)),
    ],
  };
}

function takesGzip({ headers }: ForeignRequest): boolean {
  return /(^|[\s,])gzip($|[\s,;])/.test(String(headers['accept-encoding'] ?? ''));
}
