import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { createPipelines, type Pipelines, packCode, pipelineKinds, pipelineMigrations } from '#pipelines';
import { CODE_MEDIA_TYPE, pipelinesContract, workContract } from '#pipelines/contract';
import { tokenAuthenticator } from '#platform/access';
import { type Client, createClient } from '#platform/contract';
import { applyMigrations, Database, platformMigrations } from '#platform/db';
import { startJobs } from '#platform/domain';
import { openHttpServer } from '#platform/http';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources, resourceHandlers, resourcesContract } from '#platform/resources';
import type { BlobStore } from '#ports/blob-store';

const ALL_ROUTES = { ...pipelinesContract, ...workContract, ...resourcesContract };

export interface ControlPlane {
  readonly url: string;
  readonly pipelines: Pipelines;
  readonly blobs: BlobStore;
  close(): Promise<void>;
}

/** The pipelines domain behind a real HTTP server, over SQLite and files in `dir`. */
export async function openControlPlane(
  dir: string,
  { port = 0, leaseMs = 120_000 }: { readonly port?: number; readonly leaseMs?: number } = {},
): Promise<ControlPlane> {
  const system = realSystem();
  const store = openSqlite(join(dir, 'kedge.sqlite'));
  await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);
  const db = new Database(store, system);
  const resources = new Resources(db, pipelineKinds);
  const [logger, metrics] = [createLogger('test', 'fatal'), createMetrics('test')];
  const blobs = await openFsBlobStore({ root: join(dir, 'blobs') });
  const pipelines = createPipelines({ db, resources, system, logger, metrics, blobs, leaseMs });
  const authenticator = tokenAuthenticator(new Map(), { localRole: 'admin' });
  const groups = [...pipelines.parts.routes, resourceHandlers(resources)];
  const server = openHttpServer({ groups, authenticator, system, logger, metrics });
  const stopJobs = startJobs(pipelines.parts.jobs, { system, logger });
  const url = await server.listen('127.0.0.1', port);
  return {
    url,
    pipelines,
    blobs,
    async close() {
      await stopJobs();
      // Clients keep idle connections open for longer than a test should take.
      server.app.server.closeAllConnections();
      await server.close();
      await db.close();
    },
  };
}

export function clientOf(url: string): Client<typeof ALL_ROUTES> {
  return createClient(ALL_ROUTES, { baseUrl: url });
}

export async function temporaryDir(): Promise<{ readonly dir: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-worker-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Sends the code of the step functions that the tests run, and returns its digest. */
export async function sendTestSteps(api: ReturnType<typeof clientOf>): Promise<string> {
  const { files } = await packCode(fileURLToPath(new URL('./steps.ts', import.meta.url)));
  const bytes = new TextEncoder().encode(JSON.stringify({ files }));
  return (await api.putPipelineCode({ upload: { contentType: CODE_MEDIA_TYPE, bytes } })).digest;
}
