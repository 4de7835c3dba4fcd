import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { Authenticator } from '#platform/access';
import { serveLive } from '#platform/activity';
import { serveBlobs } from '#platform/blobs';
import type { Database } from '#platform/db';
import { type HttpServer, openApi, openHttpServer, type ProtocolGroup, type RouteGroup } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import type { ProcessBase } from '../process.ts';

export const VERSION = '0.1.0';

const CONSOLE = fileURLToPath(new URL('../../../ui/dist/', import.meta.url));

export interface ServeDeps {
  readonly base: ProcessBase;
  readonly db: Database;
  readonly blobs: BlobStore;
  readonly authenticator: Authenticator;
  readonly groups: readonly RouteGroup[];
  readonly protocols: readonly ProtocolGroup[];
}

/** The control plane's server: the API of every domain, its description, live events, content, metrics, the console. */
export async function serve(deps: ServeDeps): Promise<{ server: HttpServer; endStreams: () => void }> {
  const { base, db, blobs, authenticator, groups, protocols } = deps;
  const server = openHttpServer({ ...base, groups, protocols, authenticator });
  const endStreams = serveLive(server, { db, authenticator, clock: base.system.clock });
  serveBlobs(server, blobs, authenticator);
  const description = openApi(
    groups.map((group) => group.routes),
    VERSION,
  );
  server.app.get('/api/v1/openapi.json', async () => description);
  server.app.get('/health', async () => ({ status: 'ok', version: VERSION }));
  server.app.get('/metrics', async (_request, reply) =>
    reply.type(base.metrics.contentType).send(await base.metrics.expose()),
  );
  if (existsSync(CONSOLE)) await serveConsole(server);
  return { server, endStreams };
}

/**
 * Every path that is not an asset is a view of the console, so that links into it work. Assets are named by their
 * content and may be kept; the page that names them may not, or it would ask for those of an earlier build.
 */
async function serveConsole(server: HttpServer): Promise<void> {
  const assets = {
    root: `${CONSOLE}assets`,
    prefix: '/assets/',
    index: false,
    maxAge: '30d',
    immutable: true,
  } as const;
  await server.app.register(fastifyStatic, assets);
  server.app.get('/*', async (request, reply) => {
    if (/^\/(?:api|assets)\//.test(request.url)) return reply.callNotFound();
    return reply.header('cache-control', 'no-cache').sendFile('index.html', CONSOLE, { cacheControl: false });
  });
}
