import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { seededRandom, shuffle } from '#core/random';
import { datasetMigrations } from '#datasets';
import { floatsOf, numbersOf, quoted, textOf } from '#platform/columnar';
import { forEachDialect } from '#testing/databases';
import { featureNames } from './plan.ts';
import { bytesOf, ndjson, type OpenedFeatures, openFeatures } from './testing.ts';
import { buildTrainingSet } from './training-set.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2001, 0, 1);

interface Row {
  readonly at: number;
  readonly known: number;
  readonly shop: string | null;
  readonly item: string;
  readonly value: number | null;
}

const sales = {
  kind: 'dataset',
  name: 'sales',
  spec: {
    columns: { at: 'timestamp', known: 'timestamp', shop: 'string', item: 'string', value: 'number' },
    eventTime: 'at',
    knownTime: 'known',
  },
};
const windows = (prefix: string, lengths: readonly string[]) =>
  lengths.flatMap((window) => [
    { name: `${prefix}_mean_${window}`, aggregate: 'mean', column: 'value', window },
    { name: `${prefix}_sum_${window}`, aggregate: 'sum', column: 'value', window },
    { name: `${prefix}_count_${window}`, aggregate: 'count', window },
    { name: `${prefix}_values_${window}`, aggregate: 'count', column: 'value', window },
  ]);
const view = (name: string, keys: readonly string[], time: 'known' | 'event') => ({
  kind: 'feature-view',
  name,
  spec: { dataset: 'sales', keys, time, lateness: '52w', features: windows(name.replace('-', '_'), ['1h', '6h']) },
});
const known = [view('shop', ['shop'], 'known'), view('shop-item', ['shop', 'item'], 'known')];
const byEvent = view('tempting', ['shop'], 'event');

const row = fc.record({
  at: fc.integer({ min: 0, max: 24 * 60 }).map((minute) => START + minute * MINUTE),
  // Mostly reported later, some long after, some before they happened.
  lag: fc.oneof(fc.integer({ min: 0, max: 90 }), fc.integer({ min: -60, max: 12 * 60 })),
  shop: fc.option(fc.constantFrom('a', 'b', '3:c'), { freq: 20 }),
  item: fc.constantFrom('x', 'y'),
  value: fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { freq: 8 }),
});
const history = fc.record({
  rows: fc.array(row, { minLength: 1, maxLength: 300 }),
  batches: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat(),
});

forEachDialect('Features of one definition', datasetMigrations, (open) => {
  test('training, online and recomputed values are the definition on random late and repeated rows', async (t) => {
    const run = fc.asyncProperty(history, async ({ rows: drawn, batches, seed }) => {
      const rows = drawn.map(({ lag, ...rest }): Row => ({ ...rest, known: rest.at + lag * MINUTE }));
      const features = await openFeatures(t, open);
      await features.apply([sales, ...known, byEvent]);
      await commitShuffled(features, rows, { batches, seed });

      const views = known.map(({ name }) => name);
      const trained = await trainedRows(features, views);
      const online = await onlineRows(features, views, trained.asked);
      const again = await features.features.recompute(views, trained.asked);

      const expected = trained.asked.map((asked) => bruteForce(rows, asked));
      assert.deepEqual(trained.values, expected);
      assert.deepEqual(online, expected);
      assert.deepEqual(transposed(again.values), expected);
      assert.equal(trained.leaks.violations, 0);
      assert.deepEqual(
        await onlineRows(features, ['tempting'], trained.asked),
        transposed((await features.features.recompute(['tempting'], trained.asked)).values),
      );
    });
    await fc.assert(run, { numRuns: 12 });
  });
});

/** Splits the rows over batches, commits them in any order and delivers their events in any order, some twice. */
async function commitShuffled(
  features: OpenedFeatures,
  rows: readonly Row[],
  { batches, seed }: { readonly batches: number; readonly seed: number },
): Promise<void> {
  const random = seededRandom(seed);
  for (let batch = 0; batch < batches; batch++) {
    const part = rows.filter((_, i) => i % batches === batch);
    if (part.length === 0) continue;
    const sent = part.map((each) => ({ ...each, at: iso(each.at), known: iso(each.known) }));
    await features.commit('sales', `b${batch}`, ndjson(shuffle(sent, random)));
  }
  const events = await features.events();
  const commits = events.filter((event) => event.type === 'dataset.committed');
  const others = events.filter((event) => event.type !== 'dataset.committed');
  const repeated = commits.filter(() => random.int(2) === 0);
  await features.deliver([...others, ...shuffle([...commits, ...repeated], random)]);
}

const iso = (ms: number): string => new Date(ms).toISOString().replace('Z', '');

interface Asked {
  readonly at: number;
  readonly entities: { readonly shop: string; readonly item: string };
}

/** The training set over the whole history; of each row that names its shop, the request that it stands for. */
async function trainedRows(features: OpenedFeatures, views: readonly string[]) {
  const plan = await features.features.plan(views);
  const { table, leaks } = await buildTrainingSet(features.columnar, {
    segments: await features.segments('sales'),
    views: plan.views,
    rows: { from: START - HOUR, to: START + 48 * HOUR },
    seed: 1,
    label: '1',
    columns: { shop_asked: `coalesce(shop, '')`, item_asked: 'item' },
  });
  const at = numbersOf(table, '_at');
  const [shop, item] = [textOf(table, 'shop_asked'), textOf(table, 'item_asked')];
  const columns = featureNames(plan).map((name) => floatsOf(table, name));
  const asked: Asked[] = [];
  const values: number[][] = [];
  for (let i = 0; i < table.rows; i++) {
    const entities = { shop: shop.dictionary[shop.codes[i]!]!, item: item.dictionary[item.codes[i]!]! };
    if (entities.shop === '') continue;
    asked.push({ at: at[i]!, entities });
    values.push(columns.map((column) => column[i]!));
  }
  // A history in which no row names its shop still has a question: an entity that nothing is known of.
  if (asked.length === 0) {
    asked.push({ at: START, entities: { shop: 'nobody', item: 'x' } });
    values.push(bruteForce([], asked[0]!));
  }
  return { asked, values, leaks };
}

async function onlineRows(features: OpenedFeatures, views: readonly string[], asked: readonly Asked[]) {
  const plan = await features.features.plan(views);
  const read = asked.map(async ({ at, entities }) => [...(await features.features.reader.read(plan, entities, at))]);
  return Promise.all(read);
}

function transposed(columns: readonly Float32Array[]): number[][] {
  return Array.from({ length: columns[0]?.length ?? 0 }, (_, i) => columns.map((column) => column[i]!));
}

/** The definition, word by word: rows of the entity whose knowledge lies in [t - window, t). */
function bruteForce(rows: readonly Row[], { at, entities }: Asked): number[] {
  const ofShop = rows.filter((each) => each.shop === entities.shop);
  return [ofShop, ofShop.filter((each) => each.item === entities.item)].flatMap((ofEntity) =>
    [HOUR, 6 * HOUR].flatMap((windowMs) => {
      const inside = ofEntity.filter((each) => each.known >= at - windowMs && each.known < at);
      const values = inside.flatMap((each) => each.value ?? []);
      const sum = exactSum(values);
      const none = values.length === 0;
      return [
        none ? Number.NaN : Math.fround(sum / values.length),
        none ? Number.NaN : Math.fround(sum),
        inside.length,
        values.length,
      ];
    }),
  );
}

/** Sums in ascending magnitude with a Neumaier correction, which single precision cannot tell from the exact sum. */
function exactSum(values: readonly number[]): number {
  let sum = 0;
  let correction = 0;
  for (const value of values.toSorted((a, b) => Math.abs(a) - Math.abs(b))) {
    const next = sum + value;
    correction += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + correction;
}

const FLIGHTS = fileURLToPath(new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));
const noFlights = existsSync(FLIGHTS) ? false : 'node_modules/vega-datasets holds no flights-3m.parquet';

const flights = {
  kind: 'dataset',
  name: 'flights',
  spec: {
    columns: { date: 'timestamp', delay: 'integer', distance: 'integer', origin: 'string', destination: 'string' },
    eventTime: 'date',
    knownTime: 'reported',
    derive: {
      reported: 'date + to_minutes(cast(round(45 + distance / 7.75) as bigint))',
      late: 'if(delay > 15, 1.0, 0.0)',
    },
  },
};
const flightView = (name: string, keys: readonly string[], time: 'known' | 'event') => ({
  kind: 'feature-view',
  name,
  spec: {
    dataset: 'flights',
    keys,
    time,
    lateness: '30d',
    features: ['1h', '24h'].flatMap((window) => [
      { name: `${name}_delay_${window}`, aggregate: 'mean', column: 'delay', window },
      { name: `${name}_late_${window}`, aggregate: 'mean', column: 'late', window },
      { name: `${name}_count_${window}`, aggregate: 'count', window },
    ]),
  },
});

forEachDialect('Features of a week of real flights', datasetMigrations, (open) => {
  test('training, online and recomputed values agree, and only a view over event time leaks', {
    skip: noFlights,
  }, async (t) => {
    const features = await openFeatures(t, open, { readable: [join(FLIGHTS, '..')] });
    const live = [flightView('origin', ['origin'], 'known'), flightView('route', ['origin', 'destination'], 'known')];
    await features.apply([flights, ...live, flightView('early', ['origin'], 'event')]);
    for (let day = 1; day <= 7; day++) {
      const path = join(features.scratchDir, `day${day}.parquet`);
      const sql = `select * from read_parquet(${quoted(FLIGHTS)})
        where date >= '2001-01-0${day}' and date < timestamp '2001-01-0${day}' + interval 1 day order by delay`;
      await features.columnar.exclusive((session) => session.writeParquet(sql, path));
      const upload = { contentType: 'application/vnd.apache.parquet', bytes: bytesOf(await readFile(path)) };
      await features.commit('flights', `day${day}`, upload);
    }
    await features.deliver(shuffleCommits(await features.events()));

    const plan = await features.features.plan(['origin', 'route']);
    const query = {
      segments: await features.segments('flights'),
      rows: { from: Date.UTC(2001, 0, 3), to: Date.UTC(2001, 0, 8) },
      sampleRows: 400,
      seed: 7,
      label: 'if(delay > 15, 1, 0)',
      columns: { o: 'origin', d: 'destination' },
    };
    const { table, leaks, candidates } = await buildTrainingSet(features.columnar, { ...query, views: plan.views });
    const [o, d, at] = [textOf(table, 'o'), textOf(table, 'd'), numbersOf(table, '_at')];
    const asked = Array.from({ length: table.rows }, (_, i) => ({
      at: at[i]!,
      entities: { origin: o.dictionary[o.codes[i]!]!, destination: d.dictionary[d.codes[i]!]! },
    }));
    const online = await Promise.all(
      asked.map(async (each) => [...(await features.features.reader.read(plan, each.entities, each.at))]),
    );
    const again = await features.features.recompute(['origin', 'route'], asked);
    const columns = featureNames(plan).map((name) => floatsOf(table, name));

    assert.equal(table.rows, 400);
    assert.ok(candidates > 60_000, `${candidates} candidates`);
    assert.deepEqual(online, transposed(columns));
    assert.deepEqual(again.values, columns);
    assert.deepEqual([leaks.violations, leaks.rowsChecked], [0, 400]);

    const tempting = await features.features.plan(['early']);
    const early = await buildTrainingSet(features.columnar, { ...query, views: tempting.views });
    const [example] = early.leaks.examples;
    assert.ok(early.leaks.rowsViolating > 200, `${early.leaks.rowsViolating} rows violate`);
    assert.ok(example && example.knownAt >= example.queryAt && example.feature.startsWith('early_'));
    assert.equal(example.queryAt, numbersOf(early.table, '_at')[example.queryRow]);
  });
});

/** Later commits first, the last one twice; what is no commit keeps its place before them. */
function shuffleCommits<T extends { readonly type: string }>(events: readonly T[]): T[] {
  const commits = events.filter((event) => event.type === 'dataset.committed').reverse();
  return [...events.filter((event) => event.type !== 'dataset.committed'), ...commits, ...commits.slice(0, 1)];
}
