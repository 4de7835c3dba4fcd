import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom, shuffle } from '#core/random';
import {
  appendRows,
  entityKey,
  leakCheck,
  readWindows,
  type StateRows,
  viewRows,
  type WindowView,
  windowErrors,
  windowFeatures,
} from './window.ts';

/** One row of either table in the form the oracle reads: nothing is encoded, sorted or grouped. */
interface Event {
  readonly id: number;
  readonly event: number;
  readonly known: number;
  readonly a: number;
  readonly b: number;
  readonly v: number;
  readonly w: number;
}

interface Query {
  readonly t: number;
  readonly a: number;
  readonly b: number;
}

const BASE = Date.UTC(2001, 0, 1);
/** Codes are spread out, so that key pairs of the second kind of case are numbered by hashing. */
const SPREADS = [1, 40_000];
const CODES = 3;

const quarters = fc.integer({ min: -400, max: 400 }).map((n) => n / 4);
const doubles = fc.oneof(
  quarters,
  fc.double({ min: -1e15, max: 1e15, noNaN: true }),
  fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e16, -1e16, 0.1),
);
const code = fc.integer({ min: -1, max: CODES - 1 });
const tick = fc.integer({ min: 0, max: 40 }).map((n) => BASE + n);

/** Round lags make rows become known at the same instant. */
const lag = fc.oneof(fc.integer({ min: -6, max: 25 }), fc.constantFrom(-5, 0, 10, 20));

const eventsOf = (value: fc.Arbitrary<number>, max = 70): fc.Arbitrary<Event[]> => {
  const values = fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.constant(Number.NaN) });
  const row = fc.record({ event: tick, lag, a: code, b: code, v: values, w: values });
  return fc
    .array(row, { maxLength: max, size: 'max' })
    .map((rows) => rows.map(({ lag, ...rest }, id) => ({ ...rest, id, known: rest.event + lag })));
};
const queryRows = fc.array(fc.record({ t: tick, a: code, b: code }), { maxLength: 30, size: 'max' });

const feature = fc.record({
  aggregate: fc.constantFrom('count' as const, 'sum' as const, 'mean' as const),
  column: fc.constantFrom('v', 'w'),
  bare: fc.boolean(),
  windowMs: fc.constantFrom(1, 2, 7, 15, 100),
});
const viewOf = (time: fc.Arbitrary<'known' | 'event'>): fc.Arbitrary<WindowView> =>
  fc
    .record({
      keys: fc.constantFrom(['a'], ['b'], ['a', 'b']),
      time,
      features: fc.array(feature, { minLength: 1, maxLength: 7 }),
    })
    .map((view) => ({
      ...view,
      features: view.features.map(({ aggregate, column, bare, windowMs }, f) =>
        aggregate === 'count' && bare
          ? { name: `f${f}`, aggregate, windowMs }
          : { name: `f${f}`, aggregate, column, windowMs },
      ),
    }));
const anyView = viewOf(fc.constantFrom('known', 'event'));

function eventColumns(events: readonly Event[], spread: number) {
  const column = (read: (row: Event) => number): Float64Array => Float64Array.from(events, read);
  const key = (read: (row: Event) => number) => ({
    codes: Int32Array.from(events, (row) => (read(row) < 0 ? -1 : read(row) * spread)),
    cardinality: CODES * spread,
  });
  return {
    eventMs: column((row) => row.event),
    knownMs: column((row) => row.known),
    keys: { a: key((row) => row.a), b: key((row) => row.b) },
    values: { v: column((row) => row.v), w: column((row) => row.w) },
  };
}

function queryColumns(queries: readonly Query[], spread: number) {
  const key = (read: (row: Query) => number) => ({
    codes: Int32Array.from(queries, (row) => (read(row) < 0 ? -1 : read(row) * spread)),
    cardinality: CODES * spread,
  });
  return {
    atMs: Float64Array.from(queries, (row) => row.t),
    keys: { a: key((row) => row.a), b: key((row) => row.b) },
  };
}

const sameEntity = (view: WindowView, event: Event, query: Query): boolean =>
  view.keys.every((key) => {
    const name = key as 'a' | 'b';
    return event[name] >= 0 && event[name] === query[name];
  });

/** The definition, word for word. */
function windowRows(events: readonly Event[], query: Query, on: { view: WindowView; f: number; onlyKnown: boolean }) {
  const { view, f, onlyKnown } = on;
  const from = query.t - view.features[f]!.windowMs;
  return events.filter((row) => {
    if (!sameEntity(view, row, query)) return false;
    const time = view.time === 'known' ? row.known : row.event;
    return from <= time && time < query.t && (!onlyKnown || row.known < query.t);
  });
}

function oracle(events: readonly Event[], query: Query, on: { view: WindowView; f: number; onlyKnown: boolean }) {
  const { aggregate, column } = on.view.features[on.f]!;
  const rows = windowRows(events, query, on);
  const values = rows.map((row) => row[(column ?? 'v') as 'v' | 'w']).filter((value) => !Number.isNaN(value));
  if (aggregate === 'count') return column === undefined ? rows.length : values.length;
  if (values.length === 0) return Number.NaN;
  const sum = values.reduce((total, value) => total + value, 0);
  return Math.fround(aggregate === 'sum' ? sum : sum / values.length);
}

const table = (outputs: readonly Float32Array[]): number[][] => outputs.map((column) => [...column]);

describe('windowFeatures', () => {
  it('gives what the definition says, row by row, in both times, with and without onlyKnown', () => {
    fc.assert(
      fc.property(
        eventsOf(quarters),
        queryRows,
        anyView,
        fc.boolean(),
        fc.constantFrom(...SPREADS),
        (events, queries, view, onlyKnown, spread) => {
          const outputs = windowFeatures({
            events: eventColumns(events, spread),
            queries: queryColumns(queries, spread),
            views: [view],
            onlyKnown,
          });
          const expected = view.features.map((_, f) => queries.map((q) => oracle(events, q, { view, f, onlyKnown })));
          assert.deepEqual(table(outputs), expected);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('does not depend on the order of the rows, to the last bit, for any doubles', () => {
    fc.assert(
      fc.property(
        eventsOf(doubles),
        queryRows,
        anyView,
        fc.boolean(),
        fc.integer(),
        (events, queries, view, onlyKnown, seed) => {
          const random = seededRandom(seed);
          const mixedEvents = shuffle([...events], random);
          const places = shuffle([...queries.keys()], random);
          const views = [view];
          const plain = windowFeatures({
            events: eventColumns(events, 1),
            queries: queryColumns(queries, 1),
            views,
            onlyKnown,
          });
          const mixed = windowFeatures({
            events: eventColumns(mixedEvents, 1),
            queries: queryColumns(
              places.map((place) => queries[place]!),
              1,
            ),
            views,
            onlyKnown,
          });
          assert.deepEqual(
            table(mixed),
            table(plain).map((column) => places.map((place) => column[place])),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('computes several views at once exactly as one by one', () => {
    const rename = (view: WindowView, prefix: string): WindowView => ({
      ...view,
      features: view.features.map((item) => ({ ...item, name: `${prefix}${item.name}` })),
    });
    fc.assert(
      fc.property(eventsOf(quarters), queryRows, anyView, anyView, (rows, queries, one, other) => {
        const common = { events: eventColumns(rows, 1), queries: queryColumns(queries, 1) };
        const views = [rename(one, 'x'), rename(other, 'y')];
        assert.deepEqual(
          table(windowFeatures({ ...common, views })),
          views.flatMap((view) => table(windowFeatures({ ...common, views: [view] }))),
        );
      }),
    );
  });
});

/** The rows of the oracle's events that belong to one entity, as they are delivered. */
function stateRows(events: readonly Event[]): StateRows {
  return {
    ids: Float64Array.from(events, (row) => row.id),
    eventMs: Float64Array.from(events, (row) => row.event),
    knownMs: Float64Array.from(events, (row) => row.known),
    values: { v: Float64Array.from(events, (row) => row.v), w: Float64Array.from(events, (row) => row.w) },
  };
}

/** Cuts `rows` into batches at the given places. */
function batches<T>(rows: readonly T[], cuts: readonly number[]): T[][] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (rows.length + 1)), rows.length])].sort((x, y) => x - y);
  return places.slice(1).map((end, i) => rows.slice(places[i], end));
}

const cutPlaces = fc.array(fc.nat(200), { maxLength: 6 });
const HORIZON_ALL = 1_000;

describe('the online state', () => {
  it('reads what windowFeatures with onlyKnown computes, bit for bit, from late, repeated and tied deliveries', () => {
    fc.assert(
      fc.property(
        eventsOf(doubles),
        queryRows,
        anyView,
        fc.integer(),
        cutPlaces,
        (events, queries, view, seed, cuts) => {
          const random = seededRandom(seed);
          const delivered = shuffle([...events, ...events.filter(() => random.int(3) === 0)], random);
          const states = new Map<string, Uint8Array>();
          const text = (n: number): string | null => (n < 0 ? null : `${n}`);
          for (const batch of batches(delivered, cuts)) {
            const keys = { a: batch.map((row) => text(row.a)), b: batch.map((row) => text(row.b)) };
            for (const [key, rows] of viewRows({ ...stateRows(batch), keys }, view)) {
              states.set(key, appendRows(states.get(key), rows, HORIZON_ALL));
            }
          }
          const offline = windowFeatures({
            events: eventColumns(events, 1),
            queries: queryColumns(queries, 1),
            views: [view],
            onlyKnown: true,
          });
          queries.forEach((query, q) => {
            const parts = view.keys.map((key) => query[key as 'a' | 'b']);
            const state = parts.some((part) => part < 0) ? undefined : states.get(entityKey(parts.map(String)));
            assert.deepEqual(
              [...readWindows(state, view, query.t)],
              offline.map((column) => column[q]),
            );
          });
        },
      ),
      { numRuns: 400 },
    );
  });

  it('holds the same bytes however the rows were batched, ordered and repeated', () => {
    fc.assert(
      fc.property(
        eventsOf(doubles),
        fc.integer({ min: 0, max: 40 }),
        fc.integer(),
        cutPlaces,
        (events, horizonMs, seed, cuts) => {
          const random = seededRandom(seed);
          const delivered = shuffle([...events, ...events.filter(() => random.int(2) === 0)], random);
          let state: Uint8Array | undefined;
          for (const batch of batches(delivered, cuts)) state = appendRows(state, stateRows(batch), horizonMs);
          assert.deepEqual(
            state ?? appendRows(undefined, stateRows([]), horizonMs),
            appendRows(undefined, stateRows(events), horizonMs),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('answers a read exactly or refuses it, and never refuses within the declared lateness', () => {
    let refused = 0;
    fc.assert(
      fc.property(
        eventsOf(quarters).map((rows) => rows.map((row) => ({ ...row, a: 0, b: 0 }))),
        anyView,
        fc.integer({ min: 0, max: 20 }),
        cutPlaces,
        (events, view, latenessMs, cuts) => {
          const longestMs = Math.max(...view.features.map((item) => item.windowMs));
          let state: Uint8Array | undefined;
          for (const batch of batches(events, cuts))
            state = appendRows(state, stateRows(batch), longestMs + latenessMs);
          const newest = Math.max(...events.map((row) => row.known));
          for (let t = BASE - 10; t < BASE + 80; t += 3) {
            const query = { t, a: 0, b: 0 };
            try {
              const got = [...readWindows(state, view, t)];
              const expected = view.features.map((_, f) => oracle(events, query, { view, f, onlyKnown: true }));
              assert.deepEqual(got, expected);
            } catch (error) {
              assert.equal((error as { code?: string }).code, windowErrors['window-out-of-reach'].code);
              assert.ok(t < newest - latenessMs, `refused at ${t}, newest ${newest}, lateness ${latenessMs}`);
              refused++;
            }
          }
        },
      ),
    );
    assert.ok(refused > 0, 'the cases must reach behind the horizon');
  });
});

describe('leakCheck', () => {
  it('finds exactly the violations of the definition, with and without the row itself in its window', () => {
    let found = 0;
    fc.assert(
      fc.property(
        eventsOf(quarters),
        queryRows,
        anyView,
        fc.record({ onlyKnown: fc.boolean(), withOwn: fc.boolean(), examplesMax: fc.nat(30) }),
        fc.array(fc.nat(), { minLength: 30, maxLength: 30 }),
        (events, queries, view, { onlyKnown, withOwn, examplesMax }, picks) => {
          const own = queries.map((query, q) => {
            const candidates = events.filter((row) => sameEntity(view, row, query));
            if (!withOwn || candidates.length === 0) return -1;
            return candidates[picks[q]! % candidates.length]!.id;
          });
          const report = leakCheck({
            events: eventColumns(events, 1),
            queries: queryColumns(queries, 1),
            views: [view],
            onlyKnown,
            examplesMax,
            ...(withOwn ? { ownRows: Int32Array.from(own) } : {}),
          });
          const expected = queries.flatMap((query, queryRow) =>
            view.features.flatMap(({ name }, f) => {
              const used = windowRows(events, query, { view, f, onlyKnown });
              if (own[queryRow]! >= 0) used.push(events[own[queryRow]!]!);
              const latest = used.toSorted((x, y) => y.known - x.known || x.id - y.id)[0];
              if (!latest || latest.known < query.t) return [];
              return [{ queryRow, feature: name, eventRow: latest.id, knownAt: latest.known, queryAt: query.t }];
            }),
          );
          found += expected.length;
          assert.deepEqual(report, {
            rowsChecked: queries.length,
            violations: expected.length,
            rowsViolating: new Set(expected.map((leak) => leak.queryRow)).size,
            byFeature: view.features.map(({ name }) => {
              const leaks = expected.filter((leak) => leak.feature === name);
              const aheadMsMax = Math.max(0, ...leaks.map((leak) => leak.knownAt - leak.queryAt));
              return { feature: name, violations: leaks.length, aheadMsMax };
            }),
            examples: expected.slice(0, examplesMax),
          });
        },
      ),
      { numRuns: 400 },
    );
    assert.ok(found > 100, 'the cases must contain leaks');
  });

  it('finds nothing in views over knowledge time', () => {
    fc.assert(
      fc.property(eventsOf(quarters), queryRows, viewOf(fc.constant('known')), (events, queries, view) => {
        const input = { events: eventColumns(events, 1), queries: queryColumns(queries, 1), views: [view] };
        assert.equal(leakCheck(input).violations, 0);
      }),
    );
  });
});
