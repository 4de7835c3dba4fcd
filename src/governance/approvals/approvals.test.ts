import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { openHttpNotifier } from '#adapters/notify/http';
import { digestOf } from '#core/hash';
import type { Level } from '#platform/access';
import { type Client, createClient, ProblemError } from '#platform/contract';
import type { Context } from '#platform/db';
import { openHttpServer } from '#platform/http';
import { createRegistry, registryMigrations } from '#registry';
import { forEachDialect } from '#testing/databases';
import { governanceContract } from '../contract.ts';
import { createGovernance, governanceKinds, governanceMigrations } from '../index.ts';
import { type ApprovalStatement, approvalStatement } from './statement.ts';

type Governance = Client<typeof governanceContract>;

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const fails = (code: string) => (error: unknown) => error instanceof ProblemError && error.code === code;
const place = { transition: 'stage', target: 'Production' } as const;

/** Who there is: makers and checkers of the project `default`, and people of the project `risk` only. */
const PEOPLE: Readonly<Record<string, { readonly roles: string[]; readonly risk?: Level }>> = {
  ada: { roles: ['editor'] },
  bob: { roles: ['admin'] },
  cyd: { roles: ['admin'] },
  vic: { roles: ['viewer'] },
  rita: { roles: [], risk: 'EDIT' },
  ron: { roles: [], risk: 'READ' },
  pia: { roles: ['approver'] },
  paul: { roles: ['approver'], risk: 'READ' },
};

forEachDialect('Approvals', [...registryMigrations, ...governanceMigrations], (openDb) => {
  async function open(t: TestContext, model = 'delays') {
    const database = await openDb({ kinds: governanceKinds });
    const governance = createGovernance({ ...database.deps, notifier: openHttpNotifier() });
    const registry = createRegistry({ ...database.deps, gate: governance.gate });
    await registry.registerVersion(ada, {
      model,
      artifacts: [{ path: 'model.onnx', digest: digestOf('m'), bytes: 1 }],
      signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' },
    });
    const require = [{ approvals: 1, independent: true, signed: true }];
    const spec = { model, transitions: ['stage', 'alias'], require };
    await database.resources.apply(ada, [{ kind: 'gate-policy', name: 'two-people', spec }]);
    const senders = new Map(
      Object.entries(PEOPLE).map(([name, { roles, risk }]) => {
        const granted = { level: risk, objects: new Map() };
        const grants = new Map(risk === undefined ? [] : [['risk', granted] as const]);
        return [name, { actor: { id: `user:${name}`, roles }, grants }];
      }),
    );
    const server = openHttpServer({
      ...database.deps,
      groups: governance.parts.routes,
      authenticator: { authenticate: ({ token = '' }) => senders.get(token), hasProject: () => true },
    });
    const baseUrl = await server.listen('127.0.0.1', 0);
    const as = (token: string, project = 'default'): Governance =>
      createClient(governanceContract, {
        ...{ baseUrl, token },
        fetch: (input, init) =>
          fetch(input, { ...init, headers: { ...(init?.headers as object), 'x-mlflow-workspace': project } }),
      });
    t.after(async () => {
      await server.close();
      await database.close();
    });
    return { registry, db: database.db, as };
  }

  test('a decision counts when a second person signed exactly this one with a key of theirs', async (t) => {
    const { registry, as } = await open(t);
    const bob = await signer(as('bob'));
    const cyd = await signer(as('cyd'));
    const request = await as('ada').requestApproval({ body: { model: 'delays', version: 1, ...place } });
    const params = { request: request.id };
    const decide = (by: Signer, change: Partial<ApprovalStatement> = {}, key = by.key) => {
      const statement = statementOf(request, { ...{ key, decision: 'approved', reason: 'looked' }, ...change });
      const body = { decision: 'approved', reason: 'looked', key, signature: by.sign(statement) } as const;
      return by.client.decideApproval({ params, body });
    };
    const changes: Partial<ApprovalStatement>[] = [
      { decision: 'rejected' },
      { reason: 'other' },
      { target: 'Archived' },
      { transition: 'alias' },
      { version: 2 },
      { digest: 'sha256:0' },
      { request: 'ar_other' },
      { model: 'fares' },
    ];
    for (const change of changes) await assert.rejects(decide(bob, change), fails('governance/signature-invalid'));
    await assert.rejects(decide(bob, {}, cyd.key), fails('governance/key-unknown'));
    await assert.rejects(decide({ ...bob, sign: cyd.sign }), fails('governance/signature-invalid'));
    assert.deepEqual(await registry.evidence('delays', 1), []);

    assert.equal((await decide(bob)).status, 'approved');
    await assert.rejects(decide(cyd), fails('governance/request-over'));
    const asked = { model: 'delays', version: 1, ...place };
    assert.equal((await as('vic').gateChecklist({ query: asked })).allow, true);
    const elsewhere = { ...asked, transition: 'alias', target: 'champion' } as const;
    assert.equal(
      (await as('vic').gateChecklist({ query: elsewhere })).allow,
      false,
      'it was approved for another place',
    );

    await bob.client.revokeApproverKey({ params: { key: bob.key } });
    const [item] = (await as('vic').gateChecklist({ query: asked })).items;
    assert.equal(item?.text, 'approvals: 0 of 1 signed; 1 without a signature that verifies');
  });

  test('whoever made, caused or proposed a version does not decide about it, whatever their role', async (t) => {
    const { registry, as } = await open(t);
    const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
    const cause = { kind: 'user', id: 'user:cyd', depth: 0 } as const;
    const bobs: Context = { actor: { id: 'user:bob', roles: ['admin'] }, action: 'test' };
    for (const weights of ['by bob', 'for cyd']) {
      const artifacts = [{ path: 'model.onnx', digest: digestOf(weights), bytes: 1 }];
      await registry.registerVersion(bobs, { model: 'delays', artifacts, signature, cause });
    }
    const [bob, cyd] = [await signer(as('bob')), await signer(as('cyd'))];
    const decided = async (by: Signer, version: number, asking = 'ada') => {
      const request = await as(asking).requestApproval({ body: { model: 'delays', version, ...place } });
      const body = { decision: 'approved', reason: 'mine', key: by.key } as const;
      const signed = by.sign(statementOf(request, body));
      return by.client.decideApproval({ params: { request: request.id }, body: { ...body, signature: signed } });
    };
    await assert.rejects(decided(bob, 2), fails('governance/own-version'), 'bob registered it');
    await assert.rejects(decided(cyd, 3), fails('governance/own-version'), 'it was made because of cyd');
    await assert.rejects(decided(cyd, 1, 'cyd'), fails('governance/own-version'), 'cyd proposed it');
    assert.equal((await decided(bob, 1, 'cyd')).status, 'approved');
    await assert.rejects(as('ada').enrolApproverKey({ body: { publicKey: 'x' } }), fails('access/forbidden'));
  });

  test('an approver decides where they may see the model, and changes nothing else', async (t) => {
    const { registry, as } = await open(t, 'risk/delays');
    const request = await as('rita', 'risk').requestApproval({ body: { model: 'risk/delays', version: 1, ...place } });
    const decide = (by: Signer) => {
      const given = { decision: 'approved', reason: 'looked', key: by.key } as const;
      const body = { ...given, signature: by.sign(statementOf(request, given)) };
      return by.client.decideApproval({ params: { request: request.id }, body });
    };
    await assert.rejects(async () => decide(await signer(as('pia'))), fails('governance/request-not-found'));
    await assert.rejects(signer(as('pia', 'risk')), fails('access/not-a-member'));
    await assert.rejects(signer(as('rita', 'risk')), fails('access/forbidden'));
    const paul = await signer(as('paul', 'risk'));
    const own = { body: { model: 'risk/delays', version: 1, transition: 'alias', target: 'champion' } } as const;
    await assert.rejects(paul.client.requestApproval(own), fails('access/forbidden'));
    assert.equal((await decide(paul)).status, 'approved');
    assert.equal((await registry.evidence('risk/delays', 1)).at(-1)?.by, 'user:paul');
  });

  test('an approval that was written into the database counts for nothing', async (t) => {
    const { db, as } = await open(t);
    const mallory = generateKeyPairSync('ed25519').privateKey;
    const data = { approver: 'user:bob', independent: true, reason: 'fine', ...place, model: 'delays' };
    const signature = sign(null, Buffer.from('anything'), mallory).toString('base64');
    await signer(as('bob'));
    const [bobs] = (await as('vic').listApproverKeys({ query: { user: 'user:bob' } })).items;
    await db.transact(ada, async (tx) => {
      const of = { model: 'delays', version: 1, number: 1, id: 'ev_forged', kind: 'approval', passed: 1 };
      const text = JSON.stringify({ ...data, key: bobs?.id, signature });
      const row = {
        ...of,
        data: text,
        bytes: text.length,
        digest: digestOf(text),
        added_by: 'user:bob',
        added_at: tx.now,
      };
      await tx.db.insertInto('registry_evidence').values(row).execute();
      tx.audit('note/1', {});
    });
    const [item] = (await as('vic').gateChecklist({ query: { model: 'delays', version: 1, ...place } })).items;
    assert.equal(item?.text, 'approvals: 0 of 1 signed; 1 without a signature that verifies');
  });

  test('what is asked and decided in a project is seen and changed by its people only', async (t) => {
    const { as } = await open(t, 'risk/credit');
    const asked = { model: 'risk/credit', version: 1, ...place };
    const request = await as('rita', 'risk').requestApproval({ body: asked });
    const params = { request: request.id };
    for (const person of [as('ron', 'risk'), as('bob')]) {
      assert.equal((await person.listApprovalRequests({ query: {} })).items.length, 1);
      assert.equal((await person.getApprovalRequest({ params })).id, request.id);
      assert.equal((await person.gateChecklist({ query: asked })).allow, false);
    }
    await assert.rejects(as('ron', 'risk').requestApproval({ body: asked }), fails('access/forbidden'));
    await assert.rejects(as('vic', 'risk').listApprovalRequests({ query: {} }), fails('access/not-a-member'));
    for (const person of ['ada', 'vic']) {
      const outsider = as(person);
      assert.deepEqual((await outsider.listApprovalRequests({ query: {} })).items, []);
      assert.deepEqual((await outsider.listApprovalRequests({ query: { model: 'risk/credit' } })).items, []);
      await assert.rejects(outsider.getApprovalRequest({ params }), fails('governance/request-not-found'));
      await assert.rejects(outsider.gateChecklist({ query: asked }), fails('access/not-found'));
    }
    await assert.rejects(as('ada').requestApproval({ body: asked }), fails('access/not-found'));
    await assert.rejects(as('ada').withdrawApproval({ params }), fails('governance/request-not-found'));
  });

  test('decisions of the gate are listed for the project they were made in', async (t) => {
    const { registry, as } = await open(t, 'risk/credit');
    const moved = registry.setStage(ada, { model: 'risk/credit', version: 1, stage: 'Production' });
    await assert.rejects(moved, /approvals: 0 of 1 signed/);
    const seen = async (person: Governance) => (await person.listGateDecisions({ query: {} })).items;
    const [decision] = await seen(as('ron', 'risk'));
    assert.deepEqual([decision?.model, decision?.allow], ['risk/credit', false]);
    assert.equal((await seen(as('cyd'))).length, 1);
    assert.deepEqual(await seen(as('vic')), []);
    const params = { decision: decision?.id ?? '' };
    assert.equal((await as('ron', 'risk').getGateDecision({ params })).id, decision?.id);
    await assert.rejects(as('vic').getGateDecision({ params }), fails('governance/decision-not-found'));
  });
});

interface Signer {
  readonly client: Governance;
  readonly key: string;
  sign(statement: string): string;
}

/** Somebody who has enrolled a key and signs with it. */
async function signer(client: Governance): Promise<Signer> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const { id: key } = await client.enrolApproverKey({ body: { publicKey: pem } });
  return { client, key, sign: (statement) => sign(null, Buffer.from(statement), privateKey).toString('base64') };
}

function statementOf(
  request: Pick<ApprovalStatement, 'model' | 'version' | 'digest' | 'transition' | 'target'> & { readonly id: string },
  given: Partial<ApprovalStatement> & Pick<ApprovalStatement, 'decision' | 'reason' | 'key'>,
): string {
  return approvalStatement({ ...request, request: request.id, ...given });
}
