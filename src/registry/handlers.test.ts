import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import { tokenAuthenticator } from '#platform/access';
import { createClient, ProblemError } from '#platform/contract';
import type { Actor } from '#platform/db';
import { openHttpServer } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { registryContract } from './contract.ts';
import { createRegistry, registryMigrations } from './index.ts';

const problem = (status: number, code: string) => (error: unknown) =>
  error instanceof ProblemError && error.problem.status === status && error.code === code;
const actors: readonly Actor[] = [
  { id: 'user:ada', roles: ['admin'] },
  { id: 'worker:1', roles: ['worker'] },
];

forEachDialect('The registry over HTTP', registryMigrations, (openDb) => {
  async function serve() {
    const database = await openDb();
    const decide = async () => ({ allow: false, policy: 'strict', missing: ['approvals: 0 of 1'] }) as const;
    const { parts } = createRegistry({ ...database.deps, gate: { decide } });
    const authenticator = tokenAuthenticator(new Map(actors.map((actor) => [actor.id, actor])));
    const server = openHttpServer({ ...database.deps, groups: parts.routes, authenticator });
    const baseUrl = await server.listen('127.0.0.1', 0);
    const [admin, worker] = actors.map(({ id }) => createClient(registryContract, { baseUrl, token: id }));
    assert.ok(admin && worker);
    const close = async () => {
      await server.close();
      await database.close();
    };
    return { admin, worker, close };
  }
  const params = { model: 'delays', version: 1 };
  const body = {
    run: 'trk_1',
    artifacts: [{ path: 'model.onnx', digest: digestOf('m'), bytes: 1 }],
    signature: { inputs: [{ name: 'distance', kind: 'numeric' as const }], output: 'probability' as const },
  };

  test('a worker registers a version with evidence, which everyone can read', async () => {
    const { admin, worker, close } = await serve();
    const evidence = [{ kind: 'evaluation', passed: true, data: { metrics: { auc: 0.74 } } }];

    const version = await worker.registerVersion({ params: { model: 'delays' }, body: { ...body, evidence } });
    await worker.addEvidence({ params, body: { kind: 'profile', passed: null, data: { rows: 3 } } });
    await worker.moveAlias({ params: { model: 'delays', alias: 'candidate' }, body: { version: 1 } });

    assert.deepEqual(version.cause, { kind: 'user', id: 'worker:1', depth: 0 });
    const now = { ...version, aliases: ['candidate'] };
    assert.deepEqual(await admin.getVersion({ params }), now);
    assert.deepEqual(await admin.versionByAlias({ params: { model: 'delays', alias: 'candidate' } }), now);
    assert.deepEqual((await admin.listEvidence({ params, query: { kind: 'profile' } })).items[0]?.data, { rows: 3 });
    assert.deepEqual(await admin.versionArtifact({ params, query: { path: 'model.onnx' } }), body.artifacts[0]);
    assert.equal((await admin.listModels()).items[0]?.name, 'delays');
    const history = await admin.versionHistory({ params });
    assert.deepEqual(
      history.items.map((entry) => entry.action),
      ['model-alias.move', 'model-version.add-evidence', 'model-version.register', 'model-version.register'],
    );
    await close();
  });

  test('a worker can neither approve nor change what is protected, and the gate answers 403 to anyone', async () => {
    const { admin, worker, close } = await serve();
    await worker.registerVersion({ params: { model: 'delays' }, body });
    const approval = { approved: true, reason: 'fine' };
    const champion = { params: { model: 'delays', alias: 'champion' }, body: { version: 1 } };

    await assert.rejects(worker.approveVersion({ params, body: approval }), problem(403, 'access/forbidden'));
    const unprotect = worker.protectAliases({ params: { model: 'delays' }, body: { aliases: [] } });
    await assert.rejects(unprotect, problem(403, 'access/forbidden'));
    await assert.rejects(admin.moveAlias(champion), problem(403, 'registry/gate-denied'));
    assert.equal((await admin.approveVersion({ params, body: approval })).by, 'user:ada');
    await close();
  });

  test('bad names are refused with 400', async () => {
    const { admin, close } = await serve();
    await admin.registerVersion({ params: { model: 'delays' }, body });
    for (const alias of ['v3', 'latest', 'a b']) {
      const move = admin.moveAlias({ params: { model: 'delays', alias }, body: { version: 1 } });
      await assert.rejects(move, problem(400, 'http/invalid-input'));
    }
    const forged = admin.addEvidence({ params, body: { kind: 'approval', passed: true } });
    await assert.rejects(forged, problem(400, 'http/invalid-input'));
    await close();
  });
});
