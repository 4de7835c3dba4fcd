import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../../src/apps/control-plane/control-plane.ts';
import { openDataDir } from '../../../src/apps/data-dir.ts';

/** The project of the objects that are asked for, and another one. */
export const [HERE, ELSEWHERE] = ['risk', 'credit'] as const;

/**
 * Who asks: `manager` may do anything with the objects. `reader` may see all of them and change none, `single` holds
 * another object of the same project, `outsider` may do anything in another project, and `editor` in `default` alone.
 */
export type Person = 'manager' | 'reader' | 'single' | 'outsider' | 'editor' | 'nobody';

export interface PeopledPlane {
  readonly plane: OpenControlPlane;
  readonly url: string;
  /** The headers of a person in a project; of nobody known without one. */
  as(person: Person | undefined, project?: string): Record<string, string>;
  close(): Promise<void>;
}

/** A control plane with users and two projects. */
export async function openPeopledPlane(): Promise<PeopledPlane> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-reach-'));
  const config = loadConfig({ dataDir: dir, port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const base = { role: 'test', config, system: realSystem(), logger, metrics, dataDir: openDataDir(dir) };
  const plane = await openControlPlane(base);
  const url = await plane.start();
  const keys = await people(plane);
  return {
    plane,
    url,
    as: (person, project) => ({
      ...(person === undefined ? {} : { authorization: `Bearer ${keys.get(person)}` }),
      ...(project === undefined ? {} : { 'x-mlflow-workspace': project }),
    }),
    async close() {
      await plane.stop();
      await rm(dir, { recursive: true, maxRetries: 5 });
    },
  };
}

async function people({ accounts: { users, projects } }: OpenControlPlane): Promise<Map<Person, string>> {
  const ctx = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test.people' };
  const keys = new Map<Person, string>();
  for (const name of ['manager', 'reader', 'single', 'outsider', 'editor', 'nobody'] as const) {
    await users.create(ctx, { name, roles: name === 'editor' ? ['editor'] : [] });
    keys.set(name, (await users.createKey(ctx, name, { label: 'test' })).key);
  }
  for (const project of [HERE, ELSEWHERE]) await projects.create(ctx, { name: project, description: '' });
  const grant = (name: Person, project: string, level: 'READ' | 'MANAGE', object?: `${string}/${string}`) =>
    projects.grant(ctx, { principal: `user:${name}`, project, ...(object === undefined ? {} : { object }) }, level);
  await grant('manager', HERE, 'MANAGE');
  await grant('reader', HERE, 'READ');
  await grant('single', HERE, 'MANAGE', 'experiment/987654321');
  await grant('single', HERE, 'MANAGE', 'model/never-made');
  await grant('outsider', ELSEWHERE, 'MANAGE');
  return keys;
}
