import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHttpNotifier } from '#adapters/notify/http';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import { tokenAuthenticator } from '#platform/access';
import { createClient, type ProblemError } from '#platform/contract';
import type { Context } from '#platform/db';
import { recentEvents } from '#platform/events';
import { openHttpServer } from '#platform/http';
import type { GateRequest } from '#ports/gate';
import { createRegistry, registryErrors, registryMigrations } from '#registry';
import { forEachDialect } from '#testing/databases';
import { governanceContract } from './contract.ts';
import { createGovernance, gateDecided, governanceKinds, governanceMigrations } from './index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'test' };
const bob: Context = { actor: { id: 'user:bob', roles: ['admin'] }, action: 'test' };
const fails = (code: string, text?: RegExp) => (error: unknown) =>
  error instanceof KedgeError && error.code === code && (text?.test(error.message) ?? true);
const request = (change: Partial<GateRequest> = {}): GateRequest => ({
  model: 'delays',
  version: 1,
  transition: 'serve',
  target: 'flights',
  actor: 'system:rollouts',
  evidence: [],
  ...change,
});

forEachDialect('Governance', [...registryMigrations, ...governanceMigrations], (openDb) => {
  async function open() {
    const database = await openDb({ kinds: governanceKinds });
    const governance = createGovernance({ ...database.deps, notifier: openHttpNotifier() });
    const registry = createRegistry({ ...database.deps, gate: governance.gate });
    const declare = (name: string, spec: Record<string, unknown>) =>
      database.resources.apply(ada, [
        { kind: 'gate-policy', name, spec: { model: 'delays', transitions: ['serve', 'alias'], ...spec } },
      ]);
    const register = () =>
      registry.registerVersion(ada, {
        model: 'delays',
        artifacts: [{ path: 'model.onnx', digest: digestOf('m'), bytes: 1 }],
        signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' },
      });
    return { ...database, governance, registry, declare, register };
  }

  test('a model without a policy passes, and that decision is recorded too', async () => {
    const { governance, declare, close } = await open();
    await declare('other', { model: 'fares', require: [{ approvals: 1 }] });

    assert.deepEqual(await governance.gate.decide(request()), { allow: true, policy: null, satisfied: [] });

    const { items } = await governance.decisions({ limit: 9 });
    assert.deepEqual(
      items.map(({ allow, policies }) => ({ allow, policies })),
      [{ allow: true, policies: [] }],
    );
    await close();
  });

  test('each decision leaves a row, an audit entry and an event that agree', async () => {
    const { governance, registry, db, declare, register, close } = await open();
    await register();
    await declare('prod', { require: [{ evidence: 'leak-check', passed: true }] });
    const cause = { kind: 'rule', id: 'rule/retrain', depth: 1 } as const;

    await governance.gate.decide(request({ cause }));

    const { items } = await governance.decisions({ limit: 9, model: 'delays', version: 1, allow: false });
    const [decision] = items;
    assert.ok(decision);
    const missing = ['leak-check: there is no evidence of this kind'];
    assert.deepEqual(decision.missing, missing);
    assert.deepEqual(decision.policies, [{ name: 'prod', generation: 1 }]);
    assert.deepEqual([decision.actor, decision.cause], ['system:rollouts', cause]);
    assert.deepEqual(await governance.decision(decision.id), decision);
    const [entry] = (await registry.versionHistory('delays', 1, { limit: 1 })).items;
    assert.deepEqual([entry?.action, entry?.actor], ['gate.decide', 'system:rollouts']);
    const [event] = await recentEvents(db.reader, { limit: 1 });
    assert.ok(event);
    const told = gateDecided.read(event);
    assert.deepEqual([told.decision, told.allow, told.missing], [decision.id, false, missing]);
    await close();
  });

  test('a protected alias of the registry moves once the policy is satisfied', async () => {
    const { registry, declare, register, close } = await open();
    const { version } = await register();
    await declare('prod', {
      transitions: ['alias'],
      require: [
        { evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.7 } },
        { approvals: 1, independent: true },
      ],
    });
    const key = { model: 'delays', version };
    const move = () => registry.moveAlias(ada, { ...key, alias: 'champion' });

    await registry.addEvidence(ada, key, { kind: 'evaluation', passed: null, data: { metrics: { auc: 0.74 } } });
    await registry.approve(ada, key, { approved: true, reason: 'mine' });
    await assert.rejects(move(), fails(registryErrors['gate-denied'].code, /misses approvals: 0 of 1; not counted/));
    await registry.approve(bob, key, { approved: true, reason: 'checked' });

    assert.deepEqual((await move()).aliases, ['champion']);
    await close();
  });

  test('a policy counts only for its transitions, and as it is declared now', async () => {
    const { governance, declare, close } = await open();
    await declare('prod', { transitions: ['serve'], require: [{ approvals: 1 }] });
    const allowed = async (change?: Partial<GateRequest>) => (await governance.gate.decide(request(change))).allow;

    assert.equal(await allowed({ transition: 'alias' }), true);
    assert.equal(await allowed(), false);
    await declare('prod', { transitions: ['serve'], require: [{ evidence: 'note' }] });
    assert.equal(await allowed({ evidence: [{ kind: 'note', passed: null, data: null }] }), true);

    const { items } = await governance.decisions({ limit: 1 });
    assert.equal(items[0]?.policies[0]?.generation, 2);
    await close();
  });

  test('a waiver lets one version pass to one target until it is revoked', async () => {
    const { governance, declare, close } = await open();
    await declare('prod', { require: [{ evidence: 'leak-check', passed: true }], waivable: true });
    const { evidence: _evidence, actor: _actor, ...asked } = request();
    const draft = { ...asked, items: ['leak-check'], reason: 'outage' };
    const allowed = async (change?: Partial<GateRequest>) => (await governance.gate.decide(request(change))).allow;

    const waiver = await governance.waive(ada, draft);

    assert.equal(await allowed(), true);
    for (const change of [{ version: 2 }, { target: 'other' }, { transition: 'alias' as const }, { model: 'fares' }]) {
      assert.equal(await allowed(change), change.model === 'fares');
    }
    const { items } = await governance.decisions({ limit: 9, version: 1 });
    const passed = items.find((one) => one.target === 'flights' && one.model === 'delays' && one.allow);
    assert.deepEqual(passed?.waivers, [waiver.id]);
    assert.match(passed?.satisfied[0] ?? '', /waived by user:ada: outage/);
    assert.deepEqual((await governance.waivers({ limit: 9 })).items, [waiver]);
    const revoked = await governance.revokeWaiver(bob, waiver.id);
    assert.deepEqual(await governance.revokeWaiver(ada, waiver.id), revoked);
    assert.equal(await allowed(), false);
    await close();
  });

  test('what is not required cannot be waived, nor what a policy keeps strict', async () => {
    const { governance, declare, close } = await open();
    await declare('strict', { require: [{ evidence: 'leak-check' }] });
    await declare('lenient', { require: [{ evidence: 'note' }, { evidence: 'leak-check' }], waivable: true });
    const { evidence: _evidence, actor: _actor, ...asked } = request();
    const waive = (items: string[]) => governance.waive(ada, { ...asked, items, reason: 'outage' });

    await assert.rejects(waive(['note', 'leak-check']), fails('governance/not-waivable', /'strict'.*'leak-check'/));
    await assert.rejects(waive(['approvals']), fails('governance/nothing-to-waive', /'approvals'/));
    await waive(['note']);
    await declare('lenient', { require: [{ evidence: 'note' }] });
    const evidence = [{ kind: 'leak-check', passed: true, data: null }];
    assert.equal((await governance.gate.decide(request({ evidence }))).allow, false);
    await close();
  });

  test('decisions page newest first, also those of one moment', async () => {
    const { governance, clock, close } = await open();
    const targets = ['a', 'b', 'c', 'd', 'e'];
    for (const [i, target] of targets.entries()) {
      if (i % 2 === 0) await clock.advance(1);
      await governance.gate.decide(request({ target }));
    }

    const seen: string[] = [];
    for (let after: string | undefined, more = true; more; ) {
      const page = await governance.decisions({ limit: 2, after });
      seen.push(...page.items.map((decision) => decision.target));
      after = page.next;
      more = after !== undefined;
    }

    assert.deepEqual(seen, targets.reverse());
    await assert.rejects(governance.decisions({ limit: 1, after: 'x' }), fails('governance/invalid-cursor'));
    await close();
  });

  test('over HTTP everyone reads decisions, and only who may waives', async () => {
    const { governance, deps, declare, close } = await open();
    await declare('prod', { require: [{ evidence: 'leak-check', passed: true }], waivable: true });
    await governance.gate.decide(request());
    const tokens = new Map([
      ['a', ada.actor],
      ['e', { id: 'user:eve', roles: ['editor'] }],
    ]);
    const server = openHttpServer({
      ...deps,
      groups: governance.parts.routes,
      authenticator: tokenAuthenticator(tokens),
    });
    const baseUrl = await server.listen('127.0.0.1', 0);
    const [admin, editor] = ['a', 'e'].map((token) => createClient(governanceContract, { baseUrl, token }));
    assert.ok(admin && editor);
    const { evidence: _evidence, actor: _actor, ...asked } = request();
    const body = { ...asked, items: ['leak-check'], reason: 'outage' };

    const { items } = await editor.listGateDecisions({ query: { allow: 'false' } });
    const decision = await editor.getGateDecision({ params: { decision: items[0]?.id ?? '' } });
    assert.deepEqual(decision, items[0]);
    await assert.rejects(editor.waiveGate({ body }), (error) => (error as ProblemError).code === 'access/forbidden');
    const waiver = await admin.waiveGate({ body });
    assert.equal((await admin.revokeGateWaiver({ params: { waiver: waiver.id } })).revokedBy, 'user:ada');
    assert.equal((await editor.listGateWaivers({ query: { model: 'delays' } })).items.length, 1);
    await server.close();
    await close();
  });
});
