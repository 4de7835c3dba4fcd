import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type WindowView, windowFeatures } from './window.ts';

const shared = fileURLToPath(new URL('../../../../shared/', import.meta.url));
const golden = `${shared}golden/point-in-time-features.json`;
const data = `${shared}data/card-transactions/transactions-2018-07-25_2018-08-14.csv`;
const absent = [golden, data].find((path) => !existsSync(path));

const DAY = 86_400_000;
const ENTITIES = 20_000;

interface GoldenCase {
  readonly expected: { readonly by_transaction: Readonly<Record<string, Readonly<Record<string, number>>>> };
}

const customers: WindowView = {
  keys: ['customer'],
  time: 'event',
  features: [1, 7].flatMap((days) => [
    { name: `customer_count_${days}d`, aggregate: 'count' as const, windowMs: days * DAY },
    { name: `customer_mean_amount_${days}d`, aggregate: 'mean' as const, column: 'amount', windowMs: days * DAY },
    { name: `customer_sum_amount_${days}d`, aggregate: 'sum' as const, column: 'amount', windowMs: days * DAY },
  ]),
};
const terminals: WindowView = {
  keys: ['terminal'],
  time: 'known',
  features: [1, 7].flatMap((days) => [
    { name: `terminal_count_${days}d_delayed_7d`, aggregate: 'count' as const, windowMs: days * DAY },
    {
      name: `terminal_fraud_share_${days}d_delayed_7d`,
      aggregate: 'mean' as const,
      column: 'fraud',
      windowMs: days * DAY,
    },
  ]),
};

describe('card transactions with labels known seven days late', () => {
  it('have the window features that pandas computed', { skip: absent && `${absent} is absent` }, () => {
    const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: GoldenCase[] };
    const expected = cases[0]!.expected.by_transaction;
    const rows = readFileSync(data, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','));
    const column = (read: (row: string[]) => number): Float64Array => Float64Array.from(rows, read);
    const key = (place: number) => ({
      codes: Int32Array.from(rows, (row) => Number(row[place])),
      cardinality: ENTITIES,
    });
    const eventMs = column((row) => Date.parse(`${row[1]}Z`));
    const keys = { customer: key(2), terminal: key(3) };
    // The reference windows are (t - w, t], so the query comes one millisecond after the row: it sees the row itself.
    const outputs = windowFeatures({
      events: {
        eventMs,
        knownMs: eventMs.map((ms) => ms + 7 * DAY),
        keys,
        values: { amount: column((row) => Number(row[4])), fraud: column((row) => Number(row[5])) },
      },
      queries: { atMs: eventMs.map((ms) => ms + 1), keys },
      views: [customers, terminals],
    });
    const names = [...customers.features, ...terminals.features].map(({ name }) => name);
    let compared = 0;
    rows.forEach((row, r) => {
      const wanted = expected[row[0]!];
      if (!wanted) return;
      names.forEach((name, f) => {
        const got = outputs[f]![r]!;
        // The reference writes 0 for the share of an empty window. Our values are rounded to single precision.
        const value = name.includes('share') && Number.isNaN(got) ? 0 : got;
        assert.equal(value, Math.fround(wanted[name]!), `${name} of transaction ${row[0]}`);
        compared++;
      });
    });
    assert.equal(compared, Object.keys(expected).length * names.length);
  });
});
