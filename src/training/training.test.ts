import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { predictGbdt, trainGbdt } from '#learn/gbdt';
import { psi } from '#math/drift/psi';
import { logLoss } from '#math/metric/binary';
import { countsOf, profileLike, type profileOf } from '#math/summary/profile';
import { type ColumnData, type ColumnTable, numbersOf } from '#platform/columnar';
import { evaluate, modelTable, referenceProfile, splitByTime, tune } from './index.ts';

const DAY = 86_400_000;

/** Rows over days; the label follows `x` and the category, with noise. */
function generated(rows: number, days: number, seed = 1): ColumnTable {
  const random = seededRandom(seed);
  const at = Float64Array.from({ length: rows }, () => Math.floor(random.next() * days * DAY));
  const x = Float32Array.from({ length: rows }, () => (random.int(20) === 0 ? Number.NaN : random.next()));
  const codes = Int32Array.from({ length: rows }, () => random.int(4) - 1);
  const label = Float32Array.from(x, (value, i) => {
    const chance = 0.1 + 0.6 * (value > 0.5 ? 1 : 0) + 0.1 * (codes[i] === 0 ? 1 : 0);
    return random.next() < chance ? 1 : 0;
  });
  const columns = new Map<string, ColumnData>([
    ['_at', { kind: 'float64', values: at }],
    ['label', { kind: 'float32', values: label }],
    ['x', { kind: 'float32', values: x }],
    ['carrier', { kind: 'text', codes, dictionary: ['AA', 'UA', 'WN'] }],
  ]);
  return { rows, columns };
}

const labelOf = (table: ColumnTable): Float32Array => {
  const column = table.columns.get('label');
  assert.ok(column?.kind === 'float32');
  return column.values;
};

test('a model table has numbers as float32 and texts as categories, in the order asked for', () => {
  const table = modelTable(generated(50, 2), ['carrier', '_at']);

  assert.equal(table.rows, 50);
  assert.deepEqual(
    table.columns.map((column) => [column.name, column.kind]),
    [
      ['carrier', 'category'],
      ['_at', 'numeric'],
    ],
  );
  assert.throws(() => modelTable(generated(1, 1), ['absent']), /no column 'absent'/);
});

test('rows are split at one moment: the share of earlier ones is the greatest that does not pass the one given', () => {
  const moments = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(moments, fc.double({ min: 0, max: 1, noNaN: true }), (times, share) => {
      const at = Float64Array.from(times);
      const id = Float64Array.from(times, (_, i) => i);
      const table: ColumnTable = {
        rows: times.length,
        columns: new Map([
          ['_at', { kind: 'float64', values: at }],
          ['id', { kind: 'float64', values: id }],
        ]),
      };

      const { earlier, later } = splitByTime(table, share);

      const [before, after] = [numbersOf(earlier, '_at'), numbersOf(later, '_at')];
      assert.ok(Math.max(...before, Number.NEGATIVE_INFINITY) < Math.min(...after));
      assert.ok(before.length <= times.length * share);
      assert.deepEqual(
        [...numbersOf(earlier, 'id'), ...numbersOf(later, 'id')].sort((a, b) => a - b),
        [...id],
      );
    }),
  );
});

test('the best trial is the one with the least loss on the validation rows, and a seed repeats the search', () => {
  const { earlier, later } = splitByTime(generated(3_000, 10), 0.7);
  const part = (table: ColumnTable) => ({ table: modelTable(table, ['x', 'carrier']), label: labelOf(table) });
  const told: number[] = [];
  const search = (seed: number) =>
    tune({
      train: part(earlier),
      valid: part(later),
      base: { trees: 20, leaves: 15 },
      trials: 4,
      random: seededRandom(seed),
      onTrial: (done) => void told.push(done),
    });

  const first = search(1);
  const again = search(1);

  assert.equal(first.best.loss, Math.min(...first.trials.map((trial) => trial.loss)));
  assert.ok(first.best.loss <= (first.trials[0]?.loss ?? 0));
  assert.deepEqual(again, first);
  const tried = (found: typeof first) => found.trials.map((trial) => trial.params);
  assert.notDeepEqual(tried(search(2)), tried(first));
  assert.deepEqual(told.slice(0, 4), [1, 2, 3, 4]);
  const model = trainGbdt({
    train: part(earlier).table,
    label: part(earlier).label,
    valid: part(later),
    params: { ...first.best.params, earlyStoppingRounds: 10 },
  });
  assert.deepEqual(first.model, model);
  assert.equal(logLoss(predictGbdt(model, part(later).table), part(later).label), first.best.loss);
});

test('each window of the reference is compared with all rows outside it', () => {
  const table = generated(2_000, 5);
  const scores = Float64Array.from(labelOf(table), (label, i) => (label + (i % 7) / 7) / 2);
  const columns = ['x', 'carrier'] as const;

  const { profile, heldOut } = referenceProfile(table, {
    columns,
    scores,
    windowMs: DAY,
    windowRows: 100_000,
    seed: 1,
  });

  const plain = { x: valuesOf(table, 'x'), carrier: valuesOf(table, 'carrier'), prediction: [...scores] };
  const at = numbersOf(table, '_at');
  const days = [...new Set(Array.from(at, (time) => Math.floor(time / DAY)))];
  assert.equal(days.length, 5);
  for (const name of [...columns, 'prediction'] as const) {
    const expected = days.map((day) => {
      const inside = (wanted: boolean) =>
        countsIn(profile, plain, (row) => (Math.floor((at[row] as number) / DAY) === day) === wanted, name);
      return psi(inside(false), inside(true));
    });
    assert.deepEqual(heldOut[name], expected, name);
  }
});

test('a window has no more rows in the comparison than a live one', () => {
  const table = generated(2_000, 4);
  const options = { columns: ['x'], scores: new Float64Array(2_000), windowMs: DAY, seed: 1 };

  const few = referenceProfile(table, { ...options, windowRows: 30 });
  const again = referenceProfile(table, { ...options, windowRows: 30 });
  const all = referenceProfile(table, { ...options, windowRows: 100_000 });

  const mean = (values: readonly number[] = []) => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.deepEqual(again, few);
  // Fewer rows wander further from the reference by chance alone.
  assert.ok(mean(few.heldOut['x']) > 3 * mean(all.heldOut['x']));
});

test('an evaluation says how well scores rank and how far they are off, and null where labels leave it open', () => {
  const labels = Float32Array.of(0, 0, 1, 1);

  const good = evaluate(Float64Array.of(0.1, 0.4, 0.6, 0.9), labels);
  const one = evaluate(Float64Array.of(0.5, 0.5), Float32Array.of(1, 1));

  assert.equal(good.auc, 1);
  assert.equal(good.baseRate, 0.5);
  assert.ok(Math.abs((good.brier ?? 0) - (0.01 + 0.16 + 0.16 + 0.01) / 4) < 1e-12);
  assert.ok(Math.abs((good.logLoss ?? 0) + (2 * Math.log(0.9) + 2 * Math.log(0.6)) / 4) < 1e-12);
  assert.deepEqual([one.auc, one.baseRate, one.rows], [null, 1, 2]);
});

type Plain = Readonly<Record<string, readonly (number | string | null)[]>>;

function valuesOf(table: ColumnTable, name: string): (number | string | null)[] {
  const column = table.columns.get(name);
  assert.ok(column);
  return column.kind === 'text'
    ? Array.from(column.codes, (code) => column.dictionary[code] ?? null)
    : [...column.values];
}

/** Counts per bin of the profile, of the rows that `keep` takes. */
function countsIn(
  profile: ReturnType<typeof profileOf>,
  plain: Plain,
  keep: (row: number) => boolean,
  name: string,
): readonly number[] {
  const columns = Object.fromEntries(
    Object.entries(plain).map(([key, values]) => {
      const kept = values.filter((_, row) => keep(row));
      return [key, key === 'carrier' ? kept : Float64Array.from(kept, Number)];
    }),
  );
  const part = profileLike(profile, columns as Parameters<typeof profileOf>[0]);
  const column = part.columns[name];
  assert.ok(column);
  return countsOf(column);
}
