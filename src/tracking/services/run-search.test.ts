import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Context } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../migrations/index.ts';
import type { Comparison, Filter, Order } from '../search/index.ts';
import type { RunWithLineage } from '../store/runs.ts';
import { ExperimentService } from './experiments.ts';
import { LineageService } from './lineage.ts';
import { LogService } from './logging.ts';
import { RunService } from './runs.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const KEYS = ['a', 'b', 'A b'];
const WORDS = ['x', 'X', 'xy', 'y%', 'y_', '*', '[x]', "it's", ''];
const NUMBERS = [-1, 0, 0.5, 1, 2, Number.NaN, Number.POSITIVE_INFINITY];

const some = <T>(values: readonly T[]) => fc.constantFrom(...values);
const someKeyed = <T>(values: readonly T[]) => fc.dictionary(some(KEYS), some(values), { noNullPrototype: true });
const draft = fc.record({
  metrics: someKeyed(NUMBERS),
  params: someKeyed(WORDS),
  tags: someKeyed(WORDS),
  startedAt: fc.integer({ min: 0, max: 3 }),
  endedAt: fc.option(fc.integer({ min: 0, max: 3 })),
});
type Draft = typeof draft extends fc.Arbitrary<infer T> ? T : never;

const comparison: fc.Arbitrary<Comparison> = fc.oneof(
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.oneof(
      fc.record({ entity: fc.constant('metrics'), key: some(KEYS) }),
      fc.record({ entity: fc.constant('attributes'), key: some(['start_time', 'end_time']) }),
    ),
    operator: some(['=', '!=', '>', '>=', '<', '<='] as const),
    value: some([-1, 0, 0.5, 1, 2, 1e300]),
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: some(['params', 'tags']), key: some(KEYS) }),
    operator: some(['=', '!=', 'LIKE', 'ILIKE'] as const),
    value: some([...WORDS, '%', 'x_', '_%', '%y%']),
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: some(['metrics', 'params', 'tags']), key: some(KEYS) }),
    operator: some(['IS NULL', 'IS NOT NULL'] as const),
    value: fc.constant(null),
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: some(['params', 'tags']), key: some(KEYS) }),
    operator: some(['IN', 'NOT IN'] as const),
    value: fc.array(some(WORDS), { minLength: 1, maxLength: 3 }),
  }),
);

const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small' },
    comparison,
    fc.record({ kind: some(['and', 'or'] as const), of: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }) }),
    fc.record({ kind: fc.constant('not' as const), of: tie('filter') }),
  ),
}));

const order: fc.Arbitrary<Order> = fc.record({
  field: fc.oneof(
    fc.record({ entity: some(['metrics', 'params', 'tags']), key: some(KEYS) }),
    fc.record({ entity: fc.constant('attributes'), key: some(['start_time', 'end_time', 'run_name', 'status']) }),
  ),
  descending: fc.boolean(),
});

type Value = string | number | null | undefined;

function fieldOf(run: RunWithLineage, { entity, key }: Comparison['field']): Value {
  if (entity === 'metrics') return Object.hasOwn(run.metrics, key) ? run.metrics[key]?.value : undefined;
  if (entity === 'params') return Object.hasOwn(run.params, key) ? run.params[key] : undefined;
  if (entity === 'tags') return Object.hasOwn(run.tags, key) ? run.tags[key] : undefined;
  const attributes: Record<string, Value> = {
    start_time: run.startedAt,
    end_time: run.endedAt,
    run_name: run.name,
    status: run.status.toUpperCase(),
  };
  return attributes[key] ?? undefined;
}

/** What a filter means, in the plainest words: the measure that the SQL is held against. */
function meets(run: RunWithLineage, asked: Filter): boolean {
  if (asked.kind === 'not') return !meets(run, asked.of);
  if (asked.kind === 'compare') return holds(run, asked);
  return asked.kind === 'and' ? asked.of.every((part) => meets(run, part)) : asked.of.some((part) => meets(run, part));
}

function holds(run: RunWithLineage, asked: Comparison): boolean {
  const value = fieldOf(run, asked.field);
  const { operator } = asked;
  if (operator === 'IS NULL') return value === undefined;
  if (value === undefined || value === null) return false;
  if (operator === 'IS NOT NULL') return true;
  if (operator === 'IN') return (asked.value as readonly Value[]).includes(value);
  if (operator === 'NOT IN') return !(asked.value as readonly Value[]).includes(value);
  const other = asked.value as string | number;
  if (operator === '=') return value === other;
  if (operator === '!=') return value !== other;
  if (operator === '>') return value > other;
  if (operator === '>=') return value >= other;
  if (operator === '<') return value < other;
  if (operator === '<=') return value <= other;
  const pattern = String(other)
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('_', '.');
  return new RegExp(`^${pattern}$`, operator === 'ILIKE' ? 'is' : 's').test(String(value));
}

/** Negative when `a` comes first: values, then NaN, then nothing; texts by their characters. */
function compared(a: Value, b: Value, descending: boolean): number {
  const rank = (value: Value) => (value === undefined || value === null ? 2 : Number.isNaN(value) ? 1 : 0);
  if (rank(a) !== rank(b) || rank(a) > 0) return rank(a) - rank(b);
  const [x, y] = [a as string | number, b as string | number];
  return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
}

forEachDialect('Run search', trackingMigrations, (openDb) => {
  async function filled(drafts: readonly Draft[]) {
    const database = await openDb();
    // Nothing here touches content.
    const deps = { ...database.deps, blobs: {} as BlobStore };
    const runs = new RunService(deps);
    const log = new LogService(deps);
    const { id } = await new ExperimentService(deps).create(ada, { name: 'e', tags: [] });
    for (const [i, { metrics, params, tags, startedAt, endedAt }] of drafts.entries()) {
      const run = await runs.create(ada, { experiment: id, name: `run-${i}`, startedAt, tags });
      const points = Object.entries(metrics).map(([key, value]) => ({ key, value, step: 0, timestamp: 0 }));
      await log.batch(ada, run.id, { metrics: points, params, tags: {} });
      if (endedAt !== null) await runs.update(ada, run.id, { status: 'finished', endedAt });
    }
    const find = (asked: Filter | undefined, by: readonly Order[], page = { limit: 1_000, token: '' }) =>
      runs.search(ada, {
        experiments: [id],
        filter: asked,
        order: by,
        lifecycle: 'active',
        limit: page.limit,
        token: page.token || undefined,
      });
    return { ...database, runs, id, find, all: (await find(undefined, [])).items };
  }

  test('a search finds what its filter means, in the order asked for, and by pages the same', async () => {
    const drafts = fc.sample(draft, { numRuns: 40, seed: 7 });
    const { all, find, runs, id, close } = await filled(drafts);
    const orders = fc.uniqueArray(order, { maxLength: 2, selector: ({ field }) => `${field.entity}.${field.key}` });
    await fc.assert(
      fc.asyncProperty(filter, orders, async (asked, by) => {
        const found = (await find(asked, by)).items;
        const expected = all.filter((run) => meets(run, asked));
        assert.deepEqual(found.map((run) => run.name).sort(), expected.map((run) => run.name).sort());
        // Databases order texts by their own rules, so that only orders of numbers are held against this one.
        const numeric = by.filter(({ field }) => field.entity === 'metrics' || field.key.endsWith('_time'));
        if (numeric.length === by.length) assertOrdered(found, by);
        const paged: string[] = [];
        let token = '';
        do {
          const page = await find(asked, by, { limit: 3, token });
          paged.push(...page.items.map((run) => run.id));
          token = page.next ?? '';
        } while (token !== '');
        assert.deepEqual(
          paged,
          found.map((run) => run.id),
        );
        assert.equal(await runs.count(ada, { experiments: [id], filter: asked, lifecycle: 'active' }), found.length);
      }),
      { numRuns: 60, seed: 11 },
    );
    await close();
  });

  test('runs ordered by a metric that the filter demands come in its order, whatever else it demands', async () => {
    const { all, find, close } = await filled(fc.sample(draft, { numRuns: 40, seed: 3 }));
    const demanded: Comparison = { kind: 'compare', field: { entity: 'metrics', key: 'a' }, operator: '>=', value: 0 };
    await fc.assert(
      fc.asyncProperty(filter, fc.boolean(), async (other, descending) => {
        const asked: Filter = { kind: 'and', of: [demanded, other] };
        const by = [{ field: demanded.field, descending }];
        const found = (await find(asked, by)).items;
        const expected = all.filter((run) => meets(run, asked)).map((run) => run.name);
        assert.deepEqual(found.map((run) => run.name).sort(), expected.sort());
        assertOrdered(found, by);
      }),
      { numRuns: 40, seed: 5 },
    );
    await close();
  });

  test('runs ordered by a metric that the filter demands are found by the data sets that they read', async () => {
    const drafts = [1, 2, 3].map((a) => ({ metrics: { a }, params: {}, tags: {}, startedAt: 0, endedAt: null }));
    const { deps, all, find, close } = await filled(drafts);
    const lineage = new LineageService({ ...deps, blobs: {} as BlobStore });
    const dataset = { name: 'flights', digest: 'd', sourceType: 'local', source: '{}' };
    for (const { id, name } of all) {
      if (name !== 'run-1') await lineage.logInputs(ada, id, { datasets: [{ dataset, tags: [] }], models: [] });
    }
    const field = { entity: 'metrics', key: 'a' } as const;
    const of: Comparison[] = [
      { kind: 'compare', field, operator: '>', value: 0 },
      { kind: 'compare', field: { entity: 'datasets', key: 'name' }, operator: '=', value: 'flights' },
    ];

    const { items } = await find({ kind: 'and', of }, [{ field, descending: true }]);

    assert.deepEqual(
      items.map(({ name, lineage: { datasets } }) => [name, datasets.length]),
      [
        ['run-2', 1],
        ['run-0', 1],
      ],
    );
    await close();
  });

  function assertOrdered(found: readonly RunWithLineage[], by: readonly Order[]): void {
    for (const [i, run] of found.slice(1).entries()) {
      const before = found[i] as RunWithLineage;
      const first = by
        .map(({ field, descending }) => compared(fieldOf(before, field), fieldOf(run, field), descending))
        .find((difference) => difference !== 0);
      assert.ok(
        (first ?? run.startedAt - before.startedAt) <= 0 || (first === undefined && run.startedAt <= before.startedAt),
      );
    }
  }
});
