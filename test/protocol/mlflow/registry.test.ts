import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { approvalStatement, governanceContract } from '#governance/contract';
import { createClient, ProblemError } from '#platform/contract';
import type { Context } from '#platform/db';
import { registryContract } from '#registry/contract';
import { PreloadedClient } from './preloaded-client.ts';
import { openRegistryServer, type RegistryServer } from './registry-server.ts';
import { mlflowClients } from './tracking-server.ts';

const CLIENTS = mlflowClients();
const SCRIPT = fileURLToPath(new URL('clients/registry.py', import.meta.url));
const WITHIN_MS = 240_000;

const skip = CLIENTS.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('unmodified MLflow clients are there to test the registry with', { skip }, () => {
  assert.ok(CLIENTS.length > 0);
});

for (const { version, python } of CLIENTS) {
  const client = new PreloadedClient(python);
  after(() => client.close());

  /** The client knows the address and a token, and nothing else. */
  const run = async (server: RegistryServer, scenario: string): Promise<void> => {
    const env = { MLFLOW_TRACKING_TOKEN: 'ada', MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0' };
    const stdout = await client.run(SCRIPT, [server.url, scenario], { env, withinMs: WITHIN_MS });
    assert.match(stdout, new RegExp(`passed ${scenario} with ${version.slice('mlflow-'.length)}`));
  };

  for (const scenario of ['models', 'versions', 'searches', 'locks', 'prompts']) {
    test(`the unmodified client of ${version} uses ${scenario} of the registry`, { timeout: WITHIN_MS }, async (t) => {
      const server = await openRegistryServer();
      t.after(() => server.close());
      await run(server, scenario);
    });
  }

  test(`an unmodified client of ${version} promotes only what the gate lets through`, {
    timeout: 2 * WITHIN_MS,
  }, async (t) => {
    const server = await openRegistryServer();
    t.after(() => server.close());
    await declarePolicy(server);

    await run(server, 'propose');
    await addEvidenceAndApprovals(server);
    await run(server, 'promote');

    const { items } = await server.registry.versionHistory('credit', 1, { limit: 100 });
    const told = items.map(({ actor, action }) => `${actor} ${action}`).reverse();
    const order = [
      'user:ada model-version.register',
      'user:ada gate.decide',
      'user:bob approval.decide',
      'user:ada model-version.set-stage',
      'user:ada model-alias.move',
    ];
    const places = order.map((step) => told.indexOf(step));
    assert.ok(
      places.every((at, i) => at >= 0 && (i === 0 || at > (places[i - 1] ?? 0))),
      told.join('\n'),
    );
    const decisions = (await server.governance.decisions({ limit: 10 })).items.map(({ target, allow }) => [
      target,
      allow,
    ]);
    assert.deepEqual(decisions.reverse(), [
      ['Production', false],
      ['champion', false],
      ['Production', true],
      ['champion', true],
    ]);
  });
}

async function declarePolicy({ resources }: RegistryServer): Promise<void> {
  const context: Context = { actor: { id: 'user:bob', roles: ['admin'] }, action: 'resources.apply' };
  const require = [
    { evidence: 'validation', passed: true },
    { evidence: 'scan', passed: true },
    { evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.8 } },
    { approvals: 1, independent: true, signed: true },
  ];
  const spec = { model: 'credit', transitions: ['stage', 'alias'], require };
  await resources.apply(context, [{ kind: 'gate-policy', name: 'credit-models', spec }]);
}

/** The checker's part, over the platform's own API; the maker tries to approve too and may not. */
async function addEvidenceAndApprovals({ url: baseUrl }: RegistryServer): Promise<void> {
  const bob = createClient(governanceContract, { baseUrl, token: 'bob' });
  const ada = createClient(governanceContract, { baseUrl, token: 'ada' });
  const version = { model: 'credit', version: 1 };
  const body = { kind: 'scan', passed: true, data: { summary: 'nothing found' } };
  await createClient(registryContract, { baseUrl, token: 'bob' }).addEvidence({ params: version, body });

  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const { id: key } = await bob.enrolApproverKey({ body: { publicKey: pem } });
  const places = [
    { transition: 'stage', target: 'Production' },
    { transition: 'alias', target: 'champion' },
  ] as const;
  for (const place of places) {
    const request = await ada.requestApproval({ body: { ...version, ...place, reason: 'ready' } });
    const params = { request: request.id };
    const given = { decision: 'approved', reason: 'looked at it', key } as const;
    const signed = approvalStatement({ ...request, ...given, request: request.id });
    const signature = sign(null, Buffer.from(signed), privateKey).toString('base64');
    const other = sign(null, Buffer.from(`${signed} `), privateKey).toString('base64');
    const code = (wanted: string) => (error: unknown) => error instanceof ProblemError && error.code === wanted;
    await assert.rejects(ada.decideApproval({ params, body: { ...given, signature } }), code('access/forbidden'));
    const forged = bob.decideApproval({ params, body: { ...given, signature: other } });
    await assert.rejects(forged, code('governance/signature-invalid'));
    assert.equal((await bob.decideApproval({ params, body: { ...given, signature } })).status, 'approved');
  }
}
