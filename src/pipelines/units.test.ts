import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import type { LeasedAttempt } from './contract.ts';
import { pipelineMigrations } from './index.ts';
import { accepted, command, context, names, openPipelines } from './testing.ts';
import { resolveMap, unitParams } from './units.ts';

const score = (map: object, change: object = {}) => ({
  name: 'score',
  command: command('score'),
  map,
  params: { shard: '${item.id}', label: 'no ${index}' },
  outputs: ['part'],
  retries: 0,
  ...change,
});
const collect = { name: 'collect', command: command('collect'), inputs: { parts: 'score.part' }, outputs: ['all'] };

test('parameters of a unit are filled from its item', () => {
  const params = { a: '${item}', b: 'x${item.n}y', c: ['${index}', { d: '${item.list.1}' }], e: '${item.none}' };

  assert.deepEqual(unitParams(params, { n: 1, list: ['p', 'q'] }, 7), {
    item: { n: 1, list: ['p', 'q'] },
    a: { n: 1, list: ['p', 'q'] },
    b: 'x1y',
    c: [7, { d: 'q' }],
    e: null,
  });
});

test('the partitions of a span are items: those that are over, or begin before its end', () => {
  const now = Date.parse('2026-03-03T12:00Z');
  const params = { from: Date.parse('2026-02-27'), to: '2026-03-02' };
  const items = (partitions: Parameters<typeof resolveMap>[0]) => {
    const resolved = resolveMap(partitions, { params, now });
    return 'items' in resolved ? resolved.items : [];
  };
  assert.deepEqual(items({ partitions: { every: 'day', from: '${params.from}', to: '${params.to}' } }), [
    ...['2026-02-27', '2026-02-28', '2026-03-01'],
  ]);
  assert.deepEqual(items({ partitions: { every: 'day', from: '2026-03-01' } }), ['2026-03-01', '2026-03-02']);
  assert.deepEqual(items({ partitions: { every: 'month', from: '2026-01-15' } }), ['2026-02-01']);
  assert.throws(() => items({ partitions: { every: 'day', from: 'lately' } }), /map\.partitions\.from is "lately"/);
  assert.throws(() => items({ partitions: { every: 'hour', from: '2020-01-01' } }), /more than 10000/);
});

forEachDialect('Units of a step', pipelineMigrations, (open) => {
  test('a step is divided over a list, and what needs it gets the outputs of all in their order', async (t) => {
    const p = await openPipelines(t, open);
    const items = [{ id: 'x' }, { id: 'y' }, { id: 'z' }];
    await p.declare([score({ items }), collect]);
    const run = await p.start();

    const units = await p.lease('w1', 2);
    units.push(...(await p.lease('w2', 2)));
    assert.deepEqual(names(units), ['score:0', 'score:1', 'score:2']);
    assert.deepEqual(units[1]?.params, { item: { id: 'y' }, shard: 'y', label: 'no 1' });
    assert.deepEqual((await p.service.run(run)).steps[0]?.units?.running, 3);
    for (const unit of units.reverse()) await p.succeed(unit);

    const [fanIn] = await p.lease();
    const manifest = JSON.parse(new TextDecoder().decode(await p.blobs.read(fanIn!.inputs['parts']!.digest)));
    assert.equal(fanIn?.inputs['parts']?.manifest, true);
    assert.deepEqual(
      manifest.blobs.map(({ unit }: { unit: string }) => unit),
      ['score:0', 'score:1', 'score:2'],
    );
    assert.equal(manifest.blobs[2].digest, (await p.put('score:2.part')).digest);
    await p.succeed(fanIn!);
    const done = await p.service.run(run);
    assert.equal(done.status, 'succeeded');
    assert.deepEqual(done.steps[0]?.result, [{ step: 'score:0' }, { step: 'score:1' }, { step: 'score:2' }]);
    assert.deepEqual(Object.keys(done.outputs), ['collect.all']);
    assert.equal(done.steps.length, 2);
    const { items: page, next } = await p.service.units(run, 'score', { after: 0, limit: 1 });
    assert.deepEqual([page.map(({ unit, item }) => [unit, item]), next], [[['score:1', { id: 'y' }]], 1]);
  });

  test('units are taken from the cache one by one, and a step whose units all are costs no process', async (t) => {
    const p = await openPipelines(t, open);
    const declare = (ids: readonly string[]) =>
      p.declare([score({ items: ids.map((id) => ({ id })) }, { params: { shard: '${item.id}' } })]);
    await declare(['x', 'y']);
    await p.start();
    for (const unit of await p.lease()) await p.succeed(unit);
    await declare(['x', 'y', 'z']);
    const more = await p.start();
    assert.deepEqual(names(await p.lease()), ['score:2']);
    assert.equal((await p.service.run(more)).steps[0]?.units?.cached, 2);
    await declare(['y', 'x']);
    assert.equal((await p.service.run(await p.start())).status, 'succeeded');
  });

  test('a unit that fails fails its step when the others have ended, and a resumed run does that one', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([score({ count: '${params.n}' }, { params: {} }), collect], {
      params: { n: { type: 'integer', default: 3 } },
    });
    const run = await p.start();
    const [first, ...rest] = await p.lease();
    await p.fail(first!);
    assert.equal((await p.service.run(run)).status, 'running');
    for (const unit of rest) await p.succeed(unit);
    const failed = await p.service.run(run);
    assert.deepEqual([failed.status, ...failed.steps.map(({ status }) => status)], ['failed', 'failed', 'skipped']);
    assert.match(failed.reason ?? '', /unit 'score:0' failed: threw: no/);

    const { run: resumed } = await p.control.resume({ ...context, action: 'pipeline-run.resume' }, run);
    const again = await p.lease();
    assert.deepEqual(names(again), ['score:0']);
    await p.succeed(again[0]!);
    await p.succeed((await p.lease())[0]!);
    assert.equal((await p.service.run(resumed)).status, 'succeeded');
    await assert.rejects(p.start({ n: 10_001 }), { code: 'pipelines/invalid-params' });
    await assert.rejects(p.start({ n: -1 }), { code: 'pipelines/invalid-params' });
  });

  test('the list may be the result of a step; one that is no list fails the step, an empty one is done', async (t) => {
    const p = await openPipelines(t, open);
    const listing = { name: 'list', command: command('list'), cache: false };
    await p.declare([listing, score({ result: 'list.shards' }, { needs: ['list'] })]);
    const startWith = async (result: { shards: string | { id: string }[] }) => {
      const run = await p.start();
      const [{ attempt, epoch }] = (await p.lease()) as [LeasedAttempt];
      await p.service.finish(context, attempt, { status: 'succeeded', epoch, outputs: {}, result });
      return run;
    };
    const two = await startWith({ shards: [{ id: 'a' }, { id: 'b' }] });
    assert.deepEqual(names(await p.lease()), ['score:0', 'score:1']);
    assert.equal((await p.service.run(two)).status, 'running');
    const [none, text] = [await startWith({ shards: [] }), await startWith({ shards: 'a' })];
    assert.deepEqual((await p.service.run(none)).steps[1]?.result, []);
    assert.equal((await p.service.run(text)).reason, "step 'score' failed: the result list.shards is no list");
  });

  test('cancelling ends units that wait at once and those that run when their workers have', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([score({ count: 5 })]);
    const [run, untouched] = [await p.start(), await p.start()];
    const leased = (await p.lease('w1', 2)).filter((unit) => unit.run === run);
    await p.service.cancelRun({ ...context, action: 'pipeline-run.cancel' }, run);
    const cancel = { ...context, action: 'pipeline-run.cancel' };
    assert.equal((await p.service.cancelRun(cancel, untouched)).status, 'cancelled');

    assert.equal((await p.service.run(run)).status, 'cancelling');
    for (const { attempt, epoch } of leased) {
      assert.deepEqual(await p.service.heartbeat(attempt, { epoch }), { cancel: true });
      await p.service.finish(context, attempt, { status: 'stopped', epoch });
    }
    const { status, steps } = await p.service.run(run);
    assert.deepEqual([status, steps[0]?.status, steps[0]?.units?.cancelled], ['cancelled', 'cancelled', 5]);
    assert.deepEqual(await p.lease(), []);
  });

  test('a lost worker gives its units back, a late report is refused, a paused run leases none', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([score({ count: 3 })]);
    const run = await p.start();
    const [lost] = await p.lease('dead', 1);
    await p.clock.advance(3_001);
    await p.service.expireLeases();
    await p.control.setPaused({ ...context, action: 'pipeline-run.pause' }, run, true);
    assert.deepEqual(await p.lease(), []);
    await p.control.setPaused({ ...context, action: 'pipeline-run.unpause' }, run, false);
    const units = await p.lease();
    assert.equal(units.length, 3);
    assert.equal(await accepted(p.succeed(lost!)), 0);
    for (const unit of units) await p.succeed(unit);
    for (const unit of units) assert.equal(await p.succeed(unit), 'succeeded', 'a repeated report is answered');
    assert.equal((await p.service.run(run)).status, 'succeeded');
    assert.equal((await p.events('pipeline.run-finished')).length, 1);
  });
});
