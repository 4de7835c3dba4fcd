import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datasetMigrations } from '#datasets';
import { floatsOf, numbersOf } from '#platform/columnar';
import { forEachDialect } from '#testing/databases';
import { ndjson, openFeatures } from './testing.ts';
import { buildTrainingSet } from './training-set.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2001, 0, 1);

const readings = {
  kind: 'dataset',
  name: 'readings',
  spec: {
    columns: { taken: 'timestamp', reported: 'timestamp', sensor: 'string', value: 'number', weight: 'number' },
    eventTime: 'taken',
    knownTime: 'reported',
    expectations: [{ name: 'possible', row: 'value < 1000' }],
  },
};
const sensor = (spec: Readonly<Record<string, unknown>> = {}) => ({
  kind: 'feature-view',
  name: 'sensor',
  spec: {
    dataset: 'readings',
    keys: ['sensor'],
    lateness: '1d',
    features: [{ name: 'mean_2d', aggregate: 'mean', column: 'value', window: '2d' }],
    ...spec,
  },
});

/** One reading of sensor `s` at each hour of the given days, reported an hour later; its value is the day. */
const daily = (days: readonly number[], name = 's') =>
  ndjson(
    days.flatMap((day) =>
      Array.from({ length: 24 }, (_, hour) => ({
        taken: at(day * DAY + hour * HOUR),
        reported: at(day * DAY + (hour + 1) * HOUR),
        sensor: name,
        value: day,
        weight: 10 * day,
      })),
    ),
  );
const at = (ms: number) => new Date(START + ms).toISOString().replace('Z', '');

forEachDialect('Feature views', datasetMigrations, (open) => {
  test('a view declared after its data answers as one that was there before, within its lateness', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings]);
    for (const day of [0, 1, 2, 3, 4]) await features.commit('readings', `d${day}`, daily([day]));
    await features.apply([sensor()]);
    await features.deliver((await features.events()).filter((event) => event.type === 'resource.applied'));

    const now = await features.features.readOnline('sensor', ['s'], START + 5 * DAY + HOUR);

    assert.deepEqual(now, { mean_2d: 3.5 });
    for (const name of ['s', 'nobody']) {
      const long = features.features.readOnline('sensor', [name], START + 3 * DAY);
      await assert.rejects(long, { code: 'features/window-out-of-reach' });
    }
  });

  test('history that is skipped while it is taken in late makes old reads fail, not wrong', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings, sensor()]);
    for (const day of [0, 1, 2, 3, 4]) await features.commit('readings', `d${day}`, daily([day]));
    await features.deliver(await features.events());

    const now = await features.features.readOnline('sensor', ['s'], START + 4 * DAY + HOUR);

    assert.deepEqual(now, { mean_2d: 2.5 });
    const long = features.features.readOnline('sensor', ['s'], START + 2 * DAY);
    await assert.rejects(long, { code: 'features/window-out-of-reach' });
  });

  test('a view that comes to aggregate another column is made again from history', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings, sensor()]);
    await features.commit('readings', 'd0', daily([0, 1]));
    await features.deliver(await features.events());
    const changed = [{ name: 'weight_2d', aggregate: 'mean', column: 'weight', window: '2d' }];
    await features.apply([sensor({ features: changed })]);
    await features.commit('readings', 'd2', daily([2]));

    await features.deliver(await features.events());

    const read = await features.features.readOnline('sensor', ['s'], START + 3 * DAY + HOUR);
    assert.deepEqual(read, { weight_2d: 15 });
  });

  test('a change that the states do not depend on leaves them as they are', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings, sensor()]);
    await features.commit('readings', 'd0', daily([0]));
    await features.deliver(await features.events());
    const [before] = await features.keyValue.range({ prefix: 'fv/sensor/', limit: 1 });
    assert.ok(before);
    const marked = { key: 'fv/sensor/1:mark', value: before.value };
    await features.keyValue.putMany([marked]);

    await features.apply([sensor({ description: 'Mean of two days' })]);
    await features.deliver(await features.events());

    assert.ok(await features.keyValue.get(marked.key));
  });

  test('a view that goes offline or is deleted leaves no state, and an offline view is not answered', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings, sensor()]);
    await features.commit('readings', 'd0', daily([0]));
    await features.deliver(await features.events());

    await features.apply([sensor({ online: false })]);
    await features.commit('readings', 'd1', daily([1]));
    await features.deliver(await features.events());

    assert.deepEqual(await features.keyValue.range({ prefix: 'fv/', limit: 10 }), []);
    const read = features.features.readOnline('sensor', ['s'], START + DAY);
    await assert.rejects(read, { code: 'features/window-out-of-reach' });

    const context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'resource.delete' };
    await features.resources.remove(context, 'feature-view', 'sensor');
    await features.deliver(await features.events());
    assert.deepEqual(await features.keyValue.range({ prefix: 'fv', limit: 10 }), []);
  });

  test('a training set uses rows that were released long after their event, as online reads do', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings, sensor({ lateness: '60d' })]);
    const row = { sensor: 's', weight: 1 };
    const early = { ...row, taken: at(0), reported: at(HOUR), value: 5_000 };
    await features.commit('readings', 'held', ndjson([early]));
    const later = { ...row, taken: at(20 * DAY), reported: at(20 * DAY + HOUR), value: 1 };
    await features.commit('readings', 'later', ndjson([later]));
    const repair = { name: 'thousandths', when: 'value >= 1000', set: { value: 'value / 1000' } };
    await features.apply([{ ...readings, spec: { ...readings.spec, repairs: [repair] } }]);
    await features.release('readings', 'held', START + 19 * DAY);
    await features.deliver(await features.events());

    const { views } = await features.features.plan(['sensor']);
    const { table } = await buildTrainingSet(features.columnar, {
      segments: await features.segments('readings'),
      views,
      rows: { from: START + 20 * DAY, to: START + 21 * DAY },
      seed: 1,
      label: 'value',
      columns: {},
    });

    assert.deepEqual([...floatsOf(table, 'mean_2d')], [5]);
    assert.deepEqual(await features.features.readOnline('sensor', ['s'], START + 20 * DAY), { mean_2d: 5 });
  });

  test('a sample has no row twice, only rows whose label was known in time, and a seed repeats it', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings]);
    await features.commit('readings', 'd', daily([0, 1, 2, 3]));
    const query = {
      segments: await features.segments('readings'),
      views: [],
      rows: { from: START + DAY, to: START + 3 * DAY, knownBefore: START + 2 * DAY },
      sampleRows: 10,
      seed: 3,
      label: 'value',
      columns: { weight: 'weight' },
    };

    const first = await buildTrainingSet(features.columnar, query);
    const again = await buildTrainingSet(features.columnar, query);
    const other = await buildTrainingSet(features.columnar, { ...query, seed: 4 });

    const rows = [...numbersOf(first.table, '_row')];
    assert.equal(first.candidates, 23);
    assert.equal(new Set(rows).size, 10);
    assert.deepEqual([...numbersOf(again.table, '_row')], rows);
    assert.notDeepEqual([...numbersOf(other.table, '_row')], rows);
    assert.deepEqual(new Set(numbersOf(first.table, 'weight')), new Set([10]));
  });

  test('what cannot be built or read is refused in words', async (t) => {
    const features = await openFeatures(t, open);
    await features.apply([readings, sensor()]);
    await features.commit('readings', 'd', daily([0]));
    await features.deliver(await features.events());
    const { views } = await features.features.plan(['sensor']);
    const segments = await features.segments('readings');
    const query = { segments, views, rows: { from: START, to: START + DAY }, seed: 1, label: 'value', columns: {} };
    const build = (change: Partial<typeof query>) => buildTrainingSet(features.columnar, { ...query, ...change });

    await assert.rejects(build({ columns: { mean_2d: 'weight' } }), { code: 'features/name-taken' });
    await assert.rejects(build({ columns: { label: 'weight' } }), { code: 'features/name-taken' });
    await assert.rejects(build({ label: 'no_such_column' }), { code: 'columnar/bad-sql', message: /no_such_column/ });
    await assert.rejects(build({ label: 'null' }), { code: 'features/no-rows' });
    await assert.rejects(build({ rows: { from: START + 9 * DAY, to: START + 10 * DAY } }), {
      code: 'features/no-rows',
    });
    await assert.rejects(async () => features.features.reader.read({ views }, { other: 's' }, START), {
      code: 'features/missing-entity',
      message: /entities\.sensor/,
    });
    await assert.rejects(features.features.plan(['absent']), { code: 'resources/not-found' });
    await assert.rejects(features.features.recompute([], []), { code: 'features/mixed-datasets' });
  });
});
