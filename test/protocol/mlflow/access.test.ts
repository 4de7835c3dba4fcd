import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HERE, openPeopledPlane, type PeopledPlane } from '../../routes/reach/people.ts';
import { PreloadedClient } from './preloaded-client.ts';
import { type MlflowClient, mlflowClients } from './tracking-server.ts';

const SCRIPT = fileURLToPath(new URL('clients/access.py', import.meta.url));
const CLIENTS = mlflowClients();
const WITHIN_MS = 120_000;
const PASSWORD = 'four words of a song';
/** The first client that knows workspaces. */
const WORKSPACES_SINCE = 10;

const skip = CLIENTS.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('unmodified MLflow clients are there to be let in or refused', { skip }, () => {
  assert.ok(CLIENTS.length > 0);
});

type Environment = Readonly<Record<string, string>>;

for (const { version, python } of CLIENTS) {
  describe(`the unmodified client of ${version}`, { timeout: 4 * WITHIN_MS }, () => {
    let world: PeopledPlane;
    before(async () => {
      world = await openPeopledPlane();
      const ctx = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test.people' };
      const { users } = world.plane.accounts;
      await users.create(ctx, { name: 'ada', roles: ['editor'], password: PASSWORD });
      await users.create(ctx, { name: 'bo', roles: ['viewer'], password: PASSWORD });
    });
    const client = new PreloadedClient(python);
    after(async () => {
      client.close();
      await world.close();
    });

    const basic = (user: string, password = PASSWORD): Environment => ({
      MLFLOW_TRACKING_USERNAME: user,
      MLFLOW_TRACKING_PASSWORD: password,
    });
    const bearer = (token: string): Environment => ({ MLFLOW_TRACKING_TOKEN: token });
    const keyOf = (person: 'manager' | 'outsider' | 'nobody') =>
      (world.as(person)['authorization'] ?? '').slice('Bearer '.length);

    async function play(environment: Environment, scene: string, ...more: readonly string[]): Promise<string> {
      const args = [world.url, scene, ...more];
      const stdout = await client.run(SCRIPT, args, { env: environment, withinMs: WITHIN_MS });
      assert.match(stdout, new RegExp(`passed ${scene} with `));
      return stdout;
    }

    test('is let in with a user and password, and does what an editor may', async () => {
      await play(basic('ada'), 'works', 'first');
    });

    test('is let in as a viewer, sees, and is refused whatever changes something', async () => {
      await play(basic('bo'), 'reads', 'first');
    });

    test('is let in with a key of a user as token, and with the key as password', async () => {
      const ctx = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test.key' };
      const { key } = await world.plane.accounts.users.createKey(ctx, 'ada', { label: 'a notebook' });
      await play(bearer(key), 'works', 'by-token');
      await play(basic('ada', key), 'works', 'by-key');
      await play(basic('bo', key), 'unknown', 'by-key');
    });

    test('is refused at once without credentials, or with wrong ones', async () => {
      await play({}, 'unknown', 'none');
      await play(basic('ada', 'not her password'), 'unknown', 'none');
      await play(basic('nobody-of-this-name'), 'unknown', 'none');
      await play(bearer(`kedge_${'0'.repeat(16)}_${'A'.repeat(43)}`), 'unknown', 'none');
    });

    test('is refused when the user holds nothing in the project', async () => {
      await play(bearer(keyOf('outsider')), 'outside', 'none');
      await play(bearer(keyOf('nobody')), 'outside', 'none');
    });

    if (!knowsWorkspaces({ version, python })) return;
    test('works in the project that it names as its workspace, and nowhere else', async () => {
      const first = await play(basic('ada'), 'works', 'in-default');
      const run = /^made \d+ (\w+)$/m.exec(first)?.[1] ?? assert.fail(first);
      const inProject = { MLFLOW_WORKSPACE: HERE };
      await play({ ...bearer(keyOf('manager')), ...inProject }, 'elsewhere', 'in-default', run);
      await play({ ...bearer(keyOf('outsider')), ...inProject }, 'outside', 'none');
      await play({ ...basic('ada'), ...inProject }, 'outside', 'none');
    });
  });
}

function knowsWorkspaces({ version }: MlflowClient): boolean {
  const [, major = '0', minor = '0'] = /^mlflow-(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) >= WORKSPACES_SINCE);
}
