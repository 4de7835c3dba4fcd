import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KedgeError } from '#core/errors';
import {
  appendRows,
  entityKey,
  leakCheck,
  longestWindowMs,
  readWindows,
  viewRows,
  type WindowView,
  windowFeatures,
} from './window.ts';

const HOUR = 3_600_000;
const byKnown: WindowView = {
  keys: ['airport'],
  time: 'known',
  features: [
    { name: 'mean_1h', aggregate: 'mean', column: 'delay', windowMs: HOUR },
    { name: 'count_3h', aggregate: 'count', windowMs: 3 * HOUR },
  ],
};
const byEvent: WindowView = { ...byKnown, time: 'event' };

/** Three flights of one airport: two landed, one that left at 02:00 is known only at 05:00. */
const events = {
  eventMs: Float64Array.of(0, HOUR, 2 * HOUR),
  knownMs: Float64Array.of(2 * HOUR, 3 * HOUR, 5 * HOUR),
  keys: { airport: { codes: Int32Array.of(0, 0, 0), cardinality: 1 } },
  values: { delay: Float64Array.of(10, 20, 90) },
};
const asked = (...atMs: number[]) => ({
  atMs: Float64Array.from(atMs),
  keys: { airport: { codes: new Int32Array(atMs.length), cardinality: 1 } },
});

const throwsCode = (code: string, message: RegExp, run: () => unknown): void => {
  assert.throws(run, (error) => {
    assert.ok(error instanceof KedgeError, String(error));
    assert.equal(error.code, `features/${code}`);
    assert.match(error.message, message);
    return true;
  });
};

describe('a window over knowledge time', () => {
  it('includes its lower bound and excludes the instant of the query', () => {
    const [mean, count] = windowFeatures({
      events,
      queries: asked(2 * HOUR, 3 * HOUR, 3 * HOUR + 1),
      views: [byKnown],
    });
    assert.deepEqual([...mean!], [Number.NaN, 10, 20]);
    assert.deepEqual([...count!], [0, 1, 2]);
  });

  it('does not lose small values beside a huge one that has left the window', () => {
    const values = { delay: Float64Array.of(1e300, 20, 90) };
    const [mean] = windowFeatures({
      events: { ...events, values },
      queries: asked(2 * HOUR + 1, 3 * HOUR + 1),
      views: [byKnown],
    });
    assert.deepEqual([...mean!], [Number.POSITIVE_INFINITY, 20]);
  });
});

describe('the sum of a window', () => {
  it('is exact where plain addition would lose the small values, in the older and the newer part of the window', () => {
    const delay = Float64Array.of(5, 1e16, 1, -1e16, 1e16, 1, -1e16);
    const times = Float64Array.from(delay, (_, row) => row + 1);
    const view = { ...byKnown, features: [{ name: 'sum', aggregate: 'sum' as const, column: 'delay', windowMs: 6 }] };
    const rows = { eventMs: times, knownMs: times, values: { delay } };
    const keys = { airport: { codes: new Int32Array(7), cardinality: 1 } };
    for (const time of ['known', 'event'] as const) {
      const input = { events: { ...rows, keys }, queries: asked(5, 8), views: [{ ...view, time }], onlyKnown: true };
      // The first query holds rows 0 to 3; the second has lost row 0 and gained the last three.
      assert.deepEqual([...windowFeatures(input)[0]!], [6, 2]);
    }
    const state = appendRows(undefined, { ...rows, ids: times }, 100);
    assert.deepEqual([...readWindows(state, view, 8)], [2]);
  });
});

describe('a window over event time', () => {
  it('uses the delay of a flight in the air, which the leak check names and onlyKnown leaves out', () => {
    const queries = asked(2 * HOUR + 1);
    assert.deepEqual([...windowFeatures({ events, queries, views: [byEvent] })[0]!], [90]);
    assert.deepEqual([...windowFeatures({ events, queries, views: [byEvent], onlyKnown: true })[0]!], [Number.NaN]);
    const report = leakCheck({ events, queries, views: [byEvent] });
    assert.equal(report.violations, 2);
    assert.deepEqual(report.examples[0], {
      queryRow: 0,
      feature: 'mean_1h',
      eventRow: 2,
      knownAt: 5 * HOUR,
      queryAt: 2 * HOUR + 1,
    });
    assert.equal(report.byFeature[0]!.aheadMsMax, 3 * HOUR - 1);
    assert.equal(leakCheck({ events, queries, views: [byEvent], onlyKnown: true }).violations, 0);
  });
});

describe('the leak check', () => {
  it('catches training rows that count themselves into their own window', () => {
    const queries = { atMs: events.eventMs, keys: events.keys };
    assert.equal(leakCheck({ events, queries, views: [byKnown] }).violations, 0);
    const report = leakCheck({ events, queries, views: [byKnown], ownRows: Int32Array.of(0, 1, 2) });
    assert.equal(report.rowsViolating, 3);
    assert.deepEqual(
      report.examples.filter(({ feature }) => feature === 'mean_1h').map(({ eventRow }) => eventRow),
      [0, 1, 2],
    );
  });

  it('names the first row of the table when several became known last, the own row included', () => {
    const knownMs = Float64Array.of(5 * HOUR, 5 * HOUR, 5 * HOUR);
    const examplesOf = (own: number) =>
      leakCheck({
        events: { ...events, knownMs },
        queries: asked(2 * HOUR),
        views: [byEvent],
        ownRows: Int32Array.of(own),
      }).examples.map(({ feature, eventRow }) => [feature, eventRow]);
    // The hour before 02:00 holds row 1, the three hours rows 0 and 1.
    assert.deepEqual(examplesOf(2), [
      ['mean_1h', 1],
      ['count_3h', 0],
    ]);
    assert.deepEqual(examplesOf(0), [
      ['mean_1h', 0],
      ['count_3h', 0],
    ]);
  });

  it('refuses own rows that are not event rows, and an unreasonable number of examples', () => {
    const queries = asked(0);
    throwsCode('window-input-invalid', /ownRows: event rows from -1 to 2, got 3 in row 0/, () =>
      leakCheck({ events, queries, views: [byKnown], ownRows: Int32Array.of(3) }),
    );
    throwsCode('window-input-invalid', /examplesMax/, () =>
      leakCheck({ events, queries, views: [byKnown], examplesMax: 1e6 }),
    );
  });
});

describe('entity keys', () => {
  it('differ whenever their parts differ', () => {
    const lists = [
      ['a', 'b'],
      ['ab'],
      ['a:b'],
      ['1:a', 'b'],
      ['a1:b'],
      ['', 'ab'],
      ['ab', ''],
      ['a', '1:b'],
      ['a1:', 'b'],
    ];
    assert.equal(new Set(lists.map(entityKey)).size, lists.length);
    assert.equal(entityKey(['ORD', 'DFW']), '3:ORD3:DFW');
  });

  it('have a limit in bytes', () => {
    assert.equal(entityKey(['x'.repeat(1_019)]).length, 1_024);
    throwsCode('window-input-invalid', /at most 1024 bytes/, () => entityKey(['ü'.repeat(520)]));
  });
});

describe('bad input', () => {
  const base = { events, queries: asked(0), views: [byKnown] };
  const feature = byKnown.features[0]!;
  const withFeature = (changes: object): WindowView => ({ ...byKnown, features: [{ ...feature, ...changes }] });

  it('names the field of a view and its limit', () => {
    const cases: [WindowView, RegExp][] = [
      [{ ...byKnown, keys: [] }, /views\.0\.keys: between 1 and 8 key columns, got 0/],
      [{ ...byKnown, keys: ['airport', 'airport'] }, /views\.0\.keys: each key column once/],
      [withFeature({ windowMs: 0.5 }), /views\.0\.features\.0\.windowMs: a whole number of milliseconds from 1/],
      [{ ...byKnown, features: [{ name: 's', aggregate: 'sum', windowMs: 1 }] }, /column: required by 'sum'/],
      [withFeature({ aggregate: 'max' }), /aggregate: 'count', 'sum' or 'mean', got 'max'/],
      [{ ...byKnown, features: [feature, feature] }, /'mean_1h' is used twice/],
    ];
    for (const [view, message] of cases) {
      throwsCode('window-view-invalid', message, () => windowFeatures({ ...base, views: [view] }));
    }
    throwsCode('window-view-invalid', /views\.1\.features\.0\.name: 'mean_1h' is used twice/, () =>
      windowFeatures({ ...base, views: [byKnown, byEvent] }),
    );
  });

  it('names the column and the row', () => {
    const cases: [object, RegExp][] = [
      [{ eventMs: Float64Array.of(0, 1, 2.5) }, /events\.eventMs: whole milliseconds .* got 2\.5 in row 2/],
      [{ knownMs: Float64Array.of(0, Number.NaN, 0) }, /events\.knownMs: .* got NaN in row 1/],
      [{ knownMs: new Float64Array(2) }, /events\.knownMs: 3 rows as in the other columns, got 2/],
      [{ values: {} }, /events\.values\.delay: the column is missing/],
      [{ keys: {} }, /events\.keys\.airport: the column is missing/],
      [{ keys: { airport: { codes: Int32Array.of(0, 1, 0), cardinality: 1 } } }, /codes from -1 to 0, got 1 in row 1/],
    ];
    for (const [change, message] of cases) {
      throwsCode('window-input-invalid', message, () => windowFeatures({ ...base, events: { ...events, ...change } }));
    }
  });
});

describe('the online state', () => {
  const rows = {
    ids: Float64Array.of(1, 2, 3),
    eventMs: events.eventMs,
    knownMs: events.knownMs,
    values: { delay: events.values.delay },
  };

  it('answers an entity without state like one without rows', () => {
    assert.deepEqual([...readWindows(undefined, byKnown, 0)], [Number.NaN, 0]);
  });

  it('refuses a view whose window is longer than what was kept', () => {
    const state = appendRows(undefined, rows, HOUR);
    assert.equal(longestWindowMs(byKnown), 3 * HOUR);
    throwsCode('window-out-of-reach', /a window of 10800000 ms at 18000001 reaches back/, () =>
      readWindows(state, byKnown, 5 * HOUR + 1),
    );
    assert.deepEqual([...readWindows(state, byKnown, 9 * HOUR)], [Number.NaN, 0]);
  });

  it('refuses other columns than it was begun with, and ids that are no sequence numbers', () => {
    const state = appendRows(undefined, rows, HOUR);
    throwsCode('window-input-invalid', /the state holds the columns 'delay', got 'speed'/, () =>
      appendRows(state, { ...rows, values: { speed: rows.values.delay } }, HOUR),
    );
    throwsCode('window-input-invalid', /ids: whole numbers from 0 to \d+, got -1 in row 0/, () =>
      appendRows(state, { ...rows, ids: Float64Array.of(-1, 2, 3) }, HOUR),
    );
    throwsCode('window-input-invalid', /the state holds no column 'speed'/, () =>
      readWindows(state, { ...byKnown, features: [{ ...byKnown.features[0]!, column: 'speed' }] }, 9 * HOUR),
    );
  });

  it('keeps of a batch only the columns of the view, and no rows without an entity', () => {
    const batch = {
      ...rows,
      keys: { airport: ['ORD', null, 'ORD'] },
      values: { delay: Float32Array.of(1, 2, 3), other: new Float32Array(3) },
    };
    const grouped = viewRows(batch, byKnown);
    assert.deepEqual([...grouped.keys()], ['3:ORD']);
    assert.deepEqual(grouped.get('3:ORD')?.values, { delay: Float64Array.of(1, 3) });
    assert.deepEqual(grouped.get('3:ORD')?.ids, Float64Array.of(1, 3));
  });
});
