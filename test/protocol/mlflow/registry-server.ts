import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openHttpNotifier } from '#adapters/notify/http';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { createGovernance, type Governance, governanceKinds, governanceMigrations } from '#governance';
import { tokenAuthenticator } from '#platform/access';
import { applyMigrations, Database, platformMigrations } from '#platform/db';
import { openHttpServer } from '#platform/http';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources } from '#platform/resources';
import {
  createRegistry,
  type Registry,
  registeredFiles,
  registryMigrations,
  trackedSources,
  withVersionFiles,
} from '#registry';
import { createTracking, trackingMigrations } from '#tracking';

export interface RegistryServer {
  readonly url: string;
  readonly registry: Registry;
  readonly governance: Governance;
  readonly resources: Resources;
  close(): Promise<void>;
}

/** Tracking, registry and governance as the control plane connects them, with a maker (ada) and a checker (bob). */
export async function openRegistryServer(): Promise<RegistryServer> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-registry-'));
  const system = realSystem();
  const sql = openSqlite(join(folder, 'kedge.db'));
  await applyMigrations(sql, [
    ...platformMigrations,
    ...trackingMigrations,
    ...registryMigrations,
    ...governanceMigrations,
  ]);
  const db = new Database(sql, system);
  const resources = new Resources(db, governanceKinds);
  const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
  const [logger, metrics] = [createLogger('test', 'fatal'), createMetrics('test')];
  const notifier = openHttpNotifier({ insideToo: true });
  const deps = { db, resources, system, logger, metrics, blobs, notifier };
  const governance = createGovernance(deps);
  const tracking = createTracking({ ...deps, lock: registeredFiles });
  const registry = createRegistry({ ...deps, gate: governance.gate, sources: trackedSources(tracking) });
  const proxy = (tracking.parts.protocols ?? []).map((group) => withVersionFiles(group, { service: registry, blobs }));
  const actors = [
    { id: 'user:ada', roles: ['editor'] },
    { id: 'user:bob', roles: ['admin'] },
  ];
  const server = openHttpServer({
    ...{ system, logger, metrics },
    groups: [tracking, registry, governance].flatMap(({ parts }) => parts.routes),
    protocols: [...proxy, ...(registry.parts.protocols ?? []), ...(governance.parts.protocols ?? [])],
    authenticator: tokenAuthenticator(new Map(actors.map((actor) => [actor.id.slice('user:'.length), actor]))),
  });
  const url = await server.listen('127.0.0.1', 0);
  return {
    ...{ url, registry, governance, resources },
    async close() {
      await server.close();
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
