import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { openFsBlobStore } from '#adapters/blob/fs';
import type { Cause } from '#core/cause';
import { datasetQuarantined } from '#datasets';
import { monitoringSignal, watermarkAdvanced } from '#monitoring';
import {
  createPipelines,
  pipelineKinds,
  pipelineMigrations,
  pipelineRunFinished,
  pipelineRunLate,
  pipelineRunRecovered,
  scheduleHeld,
  triggerHeld,
} from '#pipelines';
import { fullAccess } from '#platform/access';
import { AuditLog } from '#platform/audit';
import type { Context, EventDraft } from '#platform/db';
import { Relay, recentEvents } from '#platform/events';
import { guardrailTripped } from '#serving';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { automationKinds, automationMigrations, createAutomation } from './index.ts';

const HOUR = 3_600_000;
const start = Date.UTC(2001, 1, 12);
const user: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'resource.apply' };

const retrain = {
  kind: 'pipeline',
  name: 'retrain',
  spec: { params: { until: { type: 'timestamp' } }, steps: [{ name: 'fit', command: ['/bin/true'] }] },
};
const quality = { kind: 'monitor', name: 'quality', spec: {} };
const rule = (spec: Readonly<Record<string, unknown>> = {}) => ({
  kind: 'rule',
  name: 'retrain-when-bad',
  spec: {
    on: { monitor: 'quality', alert: 'calibration' },
    run: { pipeline: 'retrain', params: { until: '${at}' } },
    cooldown: '3d',
    ...spec,
  },
});

/** Automation over real pipelines and real events; `play` publishes events and waits until they are handled. */
async function openAutomation(t: TestContext, open: OpenDatabase) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-automation-'));
  const monitorKind = { kind: 'monitor', schema: z.record(z.string(), z.unknown()) };
  const database = await open({ kinds: [monitorKind, ...pipelineKinds, ...automationKinds] });
  const { db, deps, clock } = database;
  const blobs = await openFsBlobStore({ root });
  const pipelines = createPipelines({ ...deps, blobs, leaseMs: 10_000 });
  let promotion: { readonly at: number; readonly cause: Cause } | undefined;
  const automation = createAutomation({ ...deps, runs: pipelines, lastPromotion: async () => promotion });
  const errors: string[] = [];
  const relay = new Relay({
    db,
    system: database.system,
    consumers: automation.parts.consumers,
    onError: (consumer, event, message) => void errors.push(`${consumer} ${event.type}: ${message}`),
  });
  relay.start();
  t.after(async () => {
    await relay.stop();
    await database.close();
    await rm(root, { recursive: true });
  });
  const [group] = automation.parts.routes;
  assert.ok(group);
  const call = (name: string, input: object) =>
    group.handlers[name]?.(input as never, {
      ...{ ...user, action: 'incident.resolve', requestId: 'r' },
      ...{ project: 'default', access: fullAccess() },
    }) as Promise<{
      readonly items: readonly Readonly<Record<string, unknown>>[];
    }>;
  return {
    ...database,
    relay,
    pipelines,
    call,
    apply: (...drafts: Parameters<typeof database.resources.apply>[1]) => database.resources.apply(user, drafts),
    promote: (value: typeof promotion) => {
      promotion = value;
    },
    async play(...events: readonly EventDraft[]): Promise<void> {
      await db.maintain(async (tx) => events.forEach((event) => void tx.emit(event)));
      for (let turn = 0; turn < 1_000 && !(await relay.caughtUp()); turn++) await clock.advance(100);
      assert.deepEqual(errors, []);
    },
    runs: async () => (await pipelines.runs({ limit: 100 })).items,
    decisions: async () => {
      const { items } = await call('listDecisions', { query: { limit: 100 } });
      return items.map(({ outcome, run }) => ({ outcome, run })).reverse();
    },
    incidents: async (status?: string) => (await call('listIncidents', { query: { status, limit: 100 } })).items,
  };
}

const trip = (stage: 'shadow' | 'canary') => {
  const of = { rollout: 'ro_1', endpoint: 'delays', stage } as const;
  return guardrailTripped.draft('endpoint/delays', {
    ...of,
    ...{ reason: 'latency', observed: 0.4, limit: 0.05, requests: 50 },
  });
};

/** The first fact of the endpoint's incident, and its advice. */
const told = (incidents: readonly Readonly<Record<string, unknown>>[]) => {
  const found = incidents.find(({ subject }) => subject === 'endpoint/delays');
  const [fact] = (found?.['facts'] ?? []) as { readonly text: string }[];
  return [fact?.text, found?.['advice']];
};

const signal = (state: 'firing' | 'resolved', hour: number, alert = 'calibration') =>
  monitoringSignal.draft('monitor/quality', {
    monitor: 'quality',
    endpoint: 'delays',
    alert,
    metric: 'ece',
    feature: null,
    state,
    value: 0.1,
    threshold: 0.06,
    at: start + hour * HOUR,
    sentence: 'ece is 0.1',
  });
const time = (hour: number) =>
  watermarkAdvanced.draft('monitor/quality', { monitor: 'quality', endpoint: 'delays', to: start + hour * HOUR });
const held = (batch: string, hour: number) =>
  datasetQuarantined.draft('dataset/flights', {
    dataset: 'flights',
    batch,
    rows: 7,
    at: start + hour * HOUR,
    reasons: ['delays are minutes: share 0.9 in ORD, limit 0.2'],
  });

forEachDialect('Automation', [...pipelineMigrations, ...automationMigrations], (open) => {
  test('a signal starts one run with its cause and event time, and the decision is recorded and audited', async (t) => {
    const automation = await openAutomation(t, open);
    await automation.apply(retrain, quality, rule());

    await automation.play(signal('firing', 0));
    await automation.play(time(1), time(2), signal('firing', 3, 'other alert'));

    const [run, ...others] = await automation.runs();
    assert.deepEqual(others, []);
    assert.ok(run);
    const { params } = await automation.pipelines.run(run.run);
    assert.equal(params['until'], start);
    assert.deepEqual(run.cause, { kind: 'rule', id: 'rule/retrain-when-bad', depth: 1, at: start });
    assert.deepEqual(await automation.decisions(), [{ outcome: 'fired', run: run.run }]);
    const entries = await new AuditLog(automation.db.reader).search({ exceptActions: ['resource.apply'], limit: 10 });
    assert.deepEqual(
      entries.reverse().map(({ actor, action, subject }) => [actor, action, subject]),
      [
        ['rule/retrain-when-bad', 'pipeline-run.start', `pipeline-run/${run.run}`],
        ['system:automation.rules', 'rule.decide', 'rule/retrain-when-bad'],
      ],
    );
    assert.equal(new Set(entries.map(({ time: at }) => at)).size, 1);
    const [fired] = await recentEvents(automation.db.reader, { subject: 'rule/retrain-when-bad', limit: 1 });
    assert.equal(fired?.type, 'automation.fired');
  });

  test('without the rule, or with it switched off, the same signal starts nothing', async (t) => {
    const automation = await openAutomation(t, open);
    await automation.apply(retrain, quality, rule());
    await automation.resources.remove({ ...user, action: 'resource.delete' }, 'rule', 'retrain-when-bad');
    await automation.play(signal('firing', 0), time(100));
    assert.deepEqual([await automation.runs(), await automation.decisions()], [[], []]);

    await automation.apply(rule({ enabled: false }));
    await automation.play(signal('firing', 200), time(300));

    assert.deepEqual(await automation.runs(), []);
    assert.deepEqual(await automation.decisions(), [{ outcome: 'disabled', run: null }]);
  });

  test('a rule that is declared anew does not act on what its predecessor waited for', async (t) => {
    const automation = await openAutomation(t, open);
    await automation.apply(retrain, quality, rule({ debounce: '6h' }));
    await automation.play(signal('firing', 0));
    await automation.resources.remove({ ...user, action: 'resource.delete' }, 'rule', 'retrain-when-bad');
    await automation.apply(rule({ debounce: '6h' }));
    await automation.play(time(24));
    assert.deepEqual(await automation.runs(), []);

    await automation.play(signal('firing', 30));
    await automation.apply(rule({ debounce: '6h', on: { monitor: 'quality', alert: 'drift' } }));
    await automation.play(time(48));

    assert.deepEqual(await automation.runs(), []);
  });

  test('what holds a rule back is told once, and the run follows when it has passed', async (t) => {
    const automation = await openAutomation(t, open);
    await automation.apply(retrain, quality, rule());

    await automation.play(signal('firing', 0), signal('resolved', 5), signal('firing', 10));
    for (let hour = 11; hour < 20; hour++) await automation.play(time(hour));
    assert.deepEqual(
      (await automation.decisions()).map((decision) => decision.outcome),
      ['fired', 'cooling-down'],
    );
    await automation.play(time(72));

    assert.deepEqual(
      (await automation.decisions()).map((decision) => decision.outcome),
      ['fired', 'cooling-down', 'fired'],
    );
    assert.equal((await automation.runs()).length, 2);
  });

  test('a signal right after an automatic promotion counts its steps, and a loop is cut', async (t) => {
    const automation = await openAutomation(t, open);
    await automation.apply(retrain, quality, rule({ depthMax: 3 }));
    automation.promote({ at: start - HOUR, cause: { kind: 'rule', id: 'rule/x', depth: 2 } });
    await automation.play(signal('firing', 0));
    automation.promote({ at: start + 99 * HOUR, cause: { kind: 'rule', id: 'rule/x', depth: 3 } });
    await automation.play(signal('firing', 100));

    const [run] = await automation.runs();
    assert.equal(run?.cause.depth, 3);
    assert.deepEqual(
      (await automation.decisions()).map((decision) => decision.outcome),
      ['fired', 'loop'],
    );
  });

  test('a run that cannot be started is told as failed and holds up no other rule', async (t) => {
    const automation = await openAutomation(t, open);
    const broken = { ...rule({ run: { pipeline: 'retrain', params: { unknown: 1 } } }), name: 'broken' };
    await automation.apply(retrain, quality, broken, rule());

    await automation.play(signal('firing', 0));

    assert.equal((await automation.runs()).length, 1);
    assert.deepEqual((await automation.decisions()).map((decision) => decision.outcome).sort(), ['failed', 'fired']);
  });

  test('troubles of one subject are one incident until it is resolved, with what was changed before', async (t) => {
    const automation = await openAutomation(t, open);
    await automation.apply(retrain, quality);
    const routine: Context = { actor: { id: 'service:feed', roles: ['editor'] }, action: 'dataset.commit' };
    for (let i = 0; i < 250; i++) {
      await automation.db.transact(routine, async (tx) => tx.audit('dataset/flights', { i }));
    }

    await automation.play(held('b1', 1), held('b2', 2));
    const [incident, ...others] = await automation.incidents('open');
    assert.ok(incident);
    assert.deepEqual(others, []);
    assert.equal(incident['at'], start + HOUR);
    const facts = incident['facts'] as { text: string }[];
    assert.deepEqual(
      facts.map(({ text }) => text.slice(0, 8)),
      ['batch b1', 'batch b2'],
    );
    const changes = incident['changes'] as { actor: string; action: string; subject: string }[];
    assert.deepEqual(
      changes.map(({ actor, action, subject }) => `${actor} ${action} ${subject}`),
      ['user:ada resource.apply monitor/quality', 'user:ada resource.apply pipeline/retrain'],
    );

    const resolve = () =>
      automation.call('resolveIncident', { params: { incident: incident['incident'] }, body: { note: 'repaired' } });
    await resolve();
    await resolve();
    await automation.play(held('b3', 3));
    const all = await automation.incidents();
    assert.deepEqual(
      all.map(({ status }) => status),
      ['open', 'resolved'],
    );
    assert.equal(all.map(({ facts }) => (Array.isArray(facts) ? facts.length : 0))[1], 3);
    await assert.rejects(automation.call('resolveIncident', { params: { incident: 'no' }, body: { note: 'x' } }), {
      code: 'automation/incident-not-found',
    });
  });

  test('a broken guardrail and a failed automatic run are incidents, a failed run of a person is none', async (t) => {
    const automation = await openAutomation(t, open);
    const ended = (run: string, cause: Cause) =>
      pipelineRunFinished.draft(`pipeline-run/${run}`, {
        run,
        pipeline: run,
        generation: 1,
        project: null,
        status: 'failed',
        cause,
        reason: null,
        verifies: null,
        outputs: {},
      });

    await automation.play(
      trip('canary'),
      ended('by-hand', { kind: 'user', id: 'user:ada', depth: 0 }),
      ended('by-rule', { kind: 'rule', id: 'rule/x', depth: 1, at: start }),
    );

    const incidents = await automation.incidents();
    assert.deepEqual(incidents.map(({ subject }) => subject).sort(), ['endpoint/delays', 'pipeline/by-rule']);
    assert.deepEqual(told(incidents), [
      'latency in canary: 40.0 % of 50 requests were slower than the endpoint may be, limit 5.0 %',
      'Traffic is back on the former revision and the endpoint is locked. Find out what the candidate did, then ' +
        'unlock the endpoint.',
    ]);
  });

  test('a run that is late is an incident until it ends', async (t) => {
    const a = await openAutomation(t, open);
    const of = { run: 'prun_1', pipeline: 'nightly' };
    const late = pipelineRunLate.draft('pipeline-run/prun_1', { ...of, status: 'running', lateAt: a.clock.now() });
    await a.play(late);
    const shown = async () => (await a.call('listIncidents', { query: { limit: 10 } })).items;
    const [open_] = await shown();
    assert.deepEqual([open_?.['title'], open_?.['status']], ['A run of nightly is late', 'open']);

    const ended = { ...of, status: 'succeeded' as const, lateMs: 60_000 };
    await a.play(pipelineRunRecovered.draft('pipeline-run/prun_1', ended));

    assert.deepEqual([(await shown()).length, (await shown())[0]?.['status']], [1, 'resolved']);
    assert.equal((await recentEvents(a.db.reader, { subject: 'pipeline-run/prun_1', limit: 10 })).length, 4);
  });

  test('a schedule or trigger whose pipeline refuses is an incident, one that is frozen is none', async (t) => {
    const a = await openAutomation(t, open);
    const at = a.clock.now();
    const held = (outcome: 'failed' | 'frozen') =>
      scheduleHeld.draft('schedule/nightly', { schedule: 'nightly', at, outcome, reason: 'params.until is required' });
    const refused = { trigger: 'after', at, outcome: 'failed' as const, reason: 'no such parameter' };
    await a.play(held('frozen'), held('failed'), triggerHeld.draft('trigger/after', refused));

    const { items } = await a.call('listIncidents', { query: { limit: 10 } });
    assert.deepEqual(items.map(({ subject }) => subject).sort(), ['schedule/nightly', 'trigger/after']);
  });

  test('a guardrail that breaks in shadow is told without traffic that came back, as none had gone', async (t) => {
    const automation = await openAutomation(t, open);

    await automation.play(trip('shadow'));

    assert.deepEqual(told(await automation.incidents()), [
      'latency in shadow: 40.0 % of 50 requests were slower than the endpoint may be, limit 5.0 %',
      'The candidate was in the shadow and answered nobody; it is refused. Find out what it did before it is rolled ' +
        'out again.',
    ]);
  });
});
