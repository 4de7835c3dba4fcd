import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { Accounts } from '#platform/accounts';
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
  readonly accounts: Accounts;
  readonly groups: readonly RouteGroup[];
  readonly protocols: readonly ProtocolGroup[];
}

/** The control plane's server: the API of every domain, its description, live events, content, metrics, the console. */
export async function serve(deps: ServeDeps): Promise<{ server: HttpServer; endStreams: () => void }> {
  const { base, db, blobs, accounts, groups, protocols } = deps;
  const { bodyStallMs } = base.config;
  const server = openHttpServer({ ...base, groups, protocols, authenticator: accounts.authenticator, bodyStallMs });
  accounts.serve(server);
  const endStreams = serveLive(server, { db, clock: base.system.clock });
  serveBlobs(server, blobs);
  const description = openApi(
    groups.map((group) => group.routes),
    VERSION,
  );
  const open = { config: { access: 'public' } };
  server.app.get('/api/v1/openapi.json', open, async () => description);
  server.app.get('/api/v1/health', open, async () => ({ status: 'ok', version: VERSION }));
  server.app.get('/metrics', { config: { access: 'metrics:read' } }, async (_request, reply) =>
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
  // The console is the same for everybody: what it shows comes from the API.
  await server.app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'public' };
    });
    await scope.register(fastifyStatic, assets);
    scope.get('/*', async (request, reply) => {
      if (/^\/(?:api|assets)\//.test(request.url)) return reply.callNotFound();
      return reply.header('cache-control', 'no-cache').sendFile('index.html', CONSOLE, { cacheControl: false });
    });
  });
}
