import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { AuditLog } from '#platform/audit';
import { type Context, columnsOf, type Database } from '#platform/db';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { EvaluationDatasetService } from '../evaluation/datasets.ts';
import { ScorerService } from '../evaluation/scorers.ts';
import { createTracking, purgeDeleted, trackingMigrations } from '../index.ts';
import { TraceService } from '../traces/service.ts';
import { SpanService } from '../traces/spans.ts';
import { LineageService } from './lineage.ts';
import { LoggedModelService } from './models.ts';

const DAY_MS = 86_400_000;
const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gc: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'tracking-run.purge' };

const NOTHING = { runs: 0, loggedModels: 0, experiments: 0, files: 0, bytes: 0 };

async function open(t: TestContext, openDb: OpenDatabase) {
  const database = await openDb();
  const root = await mkdtemp(join(tmpdir(), 'kedge-purge-'));
  t.after(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
  const deps = { ...database.deps, blobs: await openFsBlobStore({ root }) };
  const tracking = createTracking(deps);
  const lineage = new LineageService(deps);
  const models = new LoggedModelService(deps);
  const traces = new TraceService(deps);
  /** A run with something in every table that has runs. */
  async function logRun(): Promise<string> {
    const { id, experiment } = await tracking.createRun(ada, {
      experiment: 'delays',
      params: { depth: '3' },
      tags: { team: 'risk' },
    });
    await tracking.log(ada, id, { metrics: [0, 1, 2].map((step) => ({ key: 'auc', value: step / 10, step })) });
    const dataset = { name: 'flights', digest: 'd1', sourceType: 'local', source: '/data' };
    await lineage.logInputs(ada, id, { datasets: [{ dataset, tags: [] }], models: ['m-1'] });
    const trace = { id: `tr-${id}`, experiment: experiment.id, requestedAt: 1, state: 'OK' } as const;
    await traces.start(ada, { ...trace, tags: {}, metadata: {}, assessments: [] });
    await traces.linkToRun(ada, [trace.id], id);
    for (const path of ['a.txt', 'plots/b.txt']) {
      await tracking.artifacts.put(ada, { owner: { kind: 'run', id }, path }, Buffer.from(`${id} ${path}`));
    }
    return id;
  }
  const purge = (dryRun: boolean) =>
    purgeDeleted({ db: database.db, context: gc, before: database.clock.now() - 30 * DAY_MS, dryRun });
  /** A trace of a run with a span and a file, and what it is evaluated with. */
  async function traced(experiment: string, run: string): Promise<void> {
    const spans = new SpanService(deps, traces);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const times = { startTimeUnixNano: '1', endTimeUnixNano: '2' };
    const span = { traceId, spanId: 'b7ad6b7169203331', name: 'ask', attributes: [], ...times };
    await spans.log(ada, { experiment, run, spans: [span] });
    const owner = { kind: 'trace' as const, id: `${experiment}/tr-${traceId}` };
    await tracking.artifacts.put(ada, { owner, path: 'a.json' }, Buffer.from('spans'));
    await new ScorerService(deps).register(ada, { experiment, name: 'tone' }, '{}');
    await new EvaluationDatasetService(deps).create(ada, { name: 'asked', tags: {}, experiments: [experiment] });
  }
  return { ...database, tracking, models, logRun, purge, traced };
}

/** How many rows of each table are of this run. Any table with a column for runs, or for owners of files, counts. */
async function rowsOf(db: Database, run: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const columns = await columnsOf(db);
  for (const table of new Set(columns.map((column) => column.table))) {
    const names = columns.filter((column) => column.table === table).map((column) => column.column);
    const column = table === 'tracking_run' ? 'id' : ['run', 'owner'].find((name) => names.includes(name));
    if (!table.startsWith('tracking_') || column === undefined) continue;
    const rows = await db.reader.selectFrom(table).select(column).where(column, '=', run).execute();
    if (rows.length > 0) found[table] = rows.length;
  }
  return found;
}

forEachDialect('Permanent deletion', trackingMigrations, (openDb) => {
  test('takes the runs that were deleted long ago, with all they have, and nothing else', async (t) => {
    const { tracking, logRun, purge, clock, db } = await open(t, openDb);
    const [old, restored, recent, active] = [await logRun(), await logRun(), await logRun(), await logRun()];
    for (const run of [old, restored]) await tracking.deleteRun(ada, run);
    clock.advance(20 * DAY_MS);
    await tracking.restoreRun(ada, restored);
    await tracking.deleteRun(ada, recent);
    clock.advance(11 * DAY_MS);
    const before = await rowsOf(db, active);
    assert.deepEqual(await rowsOf(db, old), before);
    const points = async () => (await db.reader.selectFrom('tracking_point').select('step').execute()).length;
    assert.equal(await points(), 12);

    const plan = await purge(true);
    assert.deepEqual(plan, { ...NOTHING, runs: 1, files: 2, bytes: `${old} a.txt${old} plots/b.txt`.length });
    assert.deepEqual(await rowsOf(db, old), before);
    assert.deepEqual(await purge(false), plan);

    assert.deepEqual(await rowsOf(db, old), {});
    assert.equal(await points(), 9);
    for (const run of [restored, recent, active]) assert.deepEqual(await rowsOf(db, run), before, run);
    await assert.rejects(tracking.getRun(old), { status: 404 });
    assert.equal((await tracking.restoreRun(ada, recent)).id, recent);
    assert.deepEqual(await purge(false), NOTHING);
  });

  test('leaves the history of the run, and says in it that the run went', async (t) => {
    const { tracking, logRun, purge, clock, db } = await open(t, openDb);
    const run = await logRun();
    await tracking.deleteRun(ada, run);
    clock.advance(31 * DAY_MS);
    const log = new AuditLog(db.reader);
    const entries = () => log.about(`tracking-run/${run}`, { after: 0, limit: 100 });
    const former = await entries();
    await purge(false);
    const all = await entries();
    assert.deepEqual(all.slice(0, -1), former);
    const { actor, action, detail } = all.at(-1) ?? {};
    const bytes = `${run} a.txt${run} plots/b.txt`.length;
    assert.deepEqual([actor, action, detail], ['user:ada', 'tracking-run.purge', { purged: true, files: 2, bytes }]);
  });

  test('takes logged models and experiments that were deleted long ago, and gives no id of theirs again', async (t) => {
    const { tracking, models, purge, traced, clock, db } = await open(t, openDb);
    const make = async (name: string) => {
      const { id: experiment } = await tracking.ensureExperiment(ada, name);
      const model = (await models.create(ada, { experiment, params: { p: '1' }, tags: { t: '1' } })).id;
      await tracking.artifacts.put(ada, { owner: { kind: 'model', id: model }, path: 'a.txt' }, Buffer.from(model));
      return { experiment, model };
    };
    const [kept, old, young] = [await make('kept'), await make('old'), await make('young')];
    const gone = (await models.create(ada, { experiment: kept.experiment, params: {}, tags: {} })).id;
    await models.delete(ada, gone);
    const run = await tracking.createRun(ada, { experiment: 'old' });
    await traced(old.experiment, run.id);
    await tracking.deleteExperiment(ada, old.experiment);
    await tracking.deleteExperiment(ada, '0');
    clock.advance(31 * DAY_MS);
    await tracking.deleteExperiment(ada, young.experiment);

    const plan = await purge(true);
    assert.deepEqual(plan, { runs: 1, loggedModels: 2, experiments: 1, files: 2, bytes: old.model.length + 5 });
    assert.deepEqual(await purge(false), plan);
    for (const { table, column } of await columnsOf(db)) {
      if (column !== 'experiment') continue;
      const left = await db.reader.selectFrom(table).select(column).where(column, '=', old.experiment).execute();
      assert.deepEqual(left, [], table);
    }
    assert.deepEqual(await db.reader.selectFrom('tracking_span').select('name').execute(), []);
    assert.deepEqual(await purge(false), NOTHING);
    for (const id of [run.id, old.model, gone]) assert.deepEqual(await rowsOf(db, id), {}, id);
    const { items } = await tracking.listExperiments({ lifecycle: 'deleted', limit: 10 });
    assert.deepEqual(items.map(({ id }) => id).sort(), ['0', young.experiment]);
    assert.equal((await models.get(ada, kept.model)).params.get('p'), '1');
    assert.equal((await tracking.restoreExperiment(ada, young.experiment)).lifecycle, 'active');

    const again = await tracking.ensureExperiment(ada, 'old');
    assert.equal(Number(again.id), Number(young.experiment) + 1);
    await tracking.deleteExperiment(ada, again.id);
    clock.advance(31 * DAY_MS);
    assert.equal((await purge(false)).experiments, 1);
    assert.equal(Number((await tracking.ensureExperiment(ada, 'old')).id), Number(again.id) + 1);
  });
});
