import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { digestOf } from '#core/hash';
import { objectAccess } from '#platform/access';
import { AuditLog } from '#platform/audit';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../index.ts';
import { TraceService } from '../traces/service.ts';
import { SpanService } from '../traces/spans.ts';
import { importRoutes } from './contract.ts';
import { ImportService } from './service.ts';
import { TraceImportService } from './traces.ts';

const actor = { id: 'user:ada', roles: ['admin'] };
const ada = { actor, action: 'test', project: 'default', access: objectAccess(actor, 'default') };
const fails = (code: string) => (error: unknown) => error instanceof KedgeError && error.code === code;

const ID = `tr-${'a'.repeat(32)}`;
const span = (id: number, more: object = {}) => ({
  trace_id: Buffer.from('a'.repeat(32), 'hex').toString('base64'),
  span_id: Buffer.from(String(id).padStart(16, '0'), 'hex').toString('base64'),
  name: `s${id}`,
  attributes: { 'mlflow.spanType': '"LLM"', n: '7' },
  status: { code: 'STATUS_CODE_OK' },
  ...more,
});
/** Nanoseconds as MLflow writes them, which are more than a number of JSON holds exactly in JavaScript. */
const file = (spans: readonly object[]) =>
  JSON.stringify({ spans }).replaceAll('"name"', '"start_time_unix_nano": 1700000000123456789, "name"');
const link = { trace_id: `tr-${'b'.repeat(32)}`, span_id: 'c'.repeat(16), attributes: { why: 'retry' } };
const said = {
  ...{ id: 'a-1', name: 'good', kind: 'feedback', value: true, valid: false, createdAt: 5_000, updatedAt: 6_000 },
  source: { type: 'HUMAN', id: 'ann' },
};
const over = { ...said, id: 'a-2', value: false, overrides: 'a-1', valid: true };

const drafted = (fields: object = {}) =>
  importRoutes.importTrace.body.parse({
    source: 'http://there:5000',
    id: ID,
    experiment: '1',
    requestedAt: 1_000,
    durationMs: 20,
    state: 'ERROR',
    clientRequestId: 'r',
    requestPreview: 'in',
    tags: { team: 'north', 'mlflow.traceName': 'outer', 'mlflow.linkedPrompts': '[{"name":"p","version":2}]' },
    metadata: { 'mlflow.trace.session': 's' },
    assessments: [said, over],
    spans: file([span(1, { links: [link] }), span(2, { parent_span_id: span(1).span_id })]),
    digest: digestOf('one'),
    ...fields,
  });

forEachDialect('Imports of traces', trackingMigrations, (openDb) => {
  async function open() {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-trace-imports-'));
    const deps = { ...database.deps, blobs: await openFsBlobStore({ root }) };
    const traces = new TraceService(deps);
    const experiment = (name: string) =>
      new ImportService(deps).experiment(ada, {
        ...{ source: 's', name, tags: {}, lifecycle: 'active' },
        createdAt: 1,
        updatedAt: 2,
      });
    assert.equal((await experiment('rides')).id, '1');
    const close = async () => {
      await database.close();
      await rm(root, { recursive: true, force: true });
    };
    const read = async () => (await new SpanService(deps, traces).read(ada, [ID], { partial: false }))[0];
    return { ...database, traces, imports: new TraceImportService(deps), experiment, read, close };
  }

  test('a trace keeps its id, times, spans and what was said of it, and again nothing changes', async () => {
    const { traces, imports, db, read, close } = await open();
    assert.deepEqual((await imports.state(ada, ID)).state, 'none');

    const done = await imports.bring(ada, drafted());
    assert.deepEqual(done, { state: 'finished', digest: digestOf('one'), spans: 2, assessments: 2 });
    const trace = await read();
    assert.deepEqual([trace?.requestedAt, trace?.durationMs, trace?.state, trace?.name], [1_000, 20, 'ERROR', 'outer']);
    assert.deepEqual([trace?.tags.get('team'), trace?.metadata.get('mlflow.trace.session')], ['north', 's']);
    assert.equal(trace?.tags.get('mlflow.linkedPrompts'), '[{"name":"p","version":"2"}]');
    assert.deepEqual(
      trace?.assessments.map(({ id, value, valid, createdAt, updatedAt }) => [id, value, valid, createdAt, updatedAt]),
      [
        ['a-1', true, false, 5_000, 6_000],
        ['a-2', false, true, 5_000, 6_000],
      ],
    );
    assert.deepEqual(
      trace?.content.map((one) => [one.name, one.startTimeUnixNano, one.parentSpanId, one.links?.[0]?.spanId]),
      [
        ['s1', '1700000000123456789', undefined, 'c'.repeat(16)],
        ['s2', '1700000000123456789', `${'0'.repeat(15)}1`, undefined],
      ],
    );

    await traces.setTag(ada, ID, { key: 'team', value: 'south' });
    assert.deepEqual(await imports.bring(ada, drafted()), done);
    assert.equal((await read())?.tags.get('team'), 'south', 'what was changed here since stays');
    const changed = drafted({
      digest: digestOf('two'),
      assessments: [{ ...said, valid: true }, over, { ...over, id: 'a-3' }],
    });
    assert.deepEqual(
      [(await imports.bring(ada, changed)).assessments, (await read())?.assessments[0]?.valid],
      [3, true],
    );
    const audited = await new AuditLog(db.reader).search({ subject: `trace/1/${ID}`, limit: 100 });
    assert.equal(audited.filter(({ detail }) => JSON.stringify(detail).includes('http://there:5000')).length, 2);
    await close();
  });

  test('spans that cannot all be read bring nothing in, and none are silently left out', async () => {
    const { imports, close } = await open();
    for (const spans of [file([span(1), { name: 'broken' }]), file([span(1), span(1)]), '{"spans": 1}', 'no json']) {
      await assert.rejects(imports.bring(ada, drafted({ spans })), fails('tracking/invalid'), spans);
    }
    assert.equal((await imports.state(ada, ID)).state, 'none');
    await close();
  });

  test('a trace that was told of here, or deleted here, or is of another project, is left alone', async () => {
    const { traces, imports, experiment, close } = await open();
    const here = { ...drafted(), id: 'tr-here', assessments: [] };
    await traces.start(ada, here);
    await assert.rejects(imports.bring(ada, here), fails('tracking/trace-exists'));
    await imports.bring(ada, drafted());
    const { id: other } = await experiment('other');
    await assert.rejects(imports.bring(ada, drafted({ experiment: other })), fails('tracking/trace-exists'));
    const elsewhere = { ...ada, project: 'risk', access: objectAccess(actor, 'risk') };
    assert.equal((await imports.state(elsewhere, ID)).state, 'none');
    await assert.rejects(imports.bring(elsewhere, drafted()), fails('tracking/experiment-not-found'));
    await traces.delete(ada, '1', { ids: [ID], max: 1 });
    assert.equal((await imports.state(ada, ID)).state, 'deleted');
    await assert.rejects(imports.bring(ada, drafted({ digest: digestOf('two') })), fails('tracking/trace-deleted'));
    const viewer = { id: 'user:eve', roles: ['viewer'] };
    const eve = { ...ada, actor: viewer, access: objectAccess(viewer, 'default') };
    await assert.rejects(imports.bring(eve, drafted()), fails('access/forbidden'));
    await close();
  });
});
