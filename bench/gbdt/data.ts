import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { seededRandom } from '#core/random';
import type { Table } from '#learn/gbdt';

export interface BenchData {
  readonly source: string;
  readonly train: Table;
  readonly label: Float32Array;
  readonly test: Table;
  readonly testLabel: Float32Array;
}

const FLIGHTS = fileURLToPath(new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));

/** Real flights where the file is installed, otherwise synthetic rows; `source` says which. */
export async function loadData(rows: number): Promise<BenchData> {
  return existsSync(FLIGHTS) ? flights(rows) : synthetic(rows, 27);
}

/**
 * "More than 15 minutes late" from 27 columns: schedule, and delay statistics of origin, destination and route in
 * whole hours at least two hours earlier. Train from January, test from February 2001. The columns are quick to make
 * and are not point-in-time exact; the bench compares trainers on equal data, not features.
 */
async function flights(rows: number): Promise<BenchData> {
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  await connection.run(`CREATE TABLE f AS SELECT row_number() OVER () AS id, date, delay, distance, origin, destination,
      epoch(date)::BIGINT // 3600 AS hour FROM read_parquet('${FLIGHTS}') WHERE date < '2001-03-05' AND delay > -120`);
  for (const place of ['origin', 'destination']) {
    await connection.run(`CREATE TABLE h_${place} AS SELECT ${place} AS place, hour, count(*) AS n, sum(delay) AS s,
        sum((delay > 15)::INT) AS l FROM f GROUP BY ALL`);
    for (const width of [1, 3, 24]) {
      await connection.run(`CREATE TABLE w_${place}_${width} AS
          SELECT place, hour + k AS hour, sum(n) AS n, sum(s) / sum(n) AS mean, sum(l) / sum(n) AS share
          FROM h_${place}, range(2, ${width} + 2) r(k) GROUP BY ALL`);
    }
  }
  await connection.run(`CREATE TABLE h_route AS SELECT origin, destination, hour // 24 AS day, count(*) AS n,
      sum(delay) AS s, sum((delay > 15)::INT) AS l FROM f GROUP BY ALL`);
  await connection.run(`CREATE TABLE w_route AS SELECT origin, destination, day + k AS day, sum(n) AS n,
      sum(s) / sum(n) AS mean, sum(l) / sum(n) AS share FROM h_route, range(1, 8) r(k) GROUP BY ALL`);
  const windows = ['origin', 'destination'].flatMap((place) => [1, 3, 24].map((width) => `${place}_${width}`));
  const select = [
    'extract(hour FROM date)',
    'extract(minute FROM date)',
    'isodow(date)',
    'extract(hour FROM date) * 60 + extract(minute FROM date)',
    'distance',
    ...windows.flatMap((w) => [`${w}.mean`, `${w}.share`, `${w}.n`]),
    'w_route.mean',
    'w_route.share',
    'w_route.n',
    'origin_3.mean - origin_24.mean',
  ];
  const joins = windows.map((w) => {
    const place = w.split('_')[0];
    return `LEFT JOIN w_${w} AS ${w} ON ${w}.place = f.${place} AND ${w}.hour = f.hour`;
  });
  const read = async (from: string, to: string): Promise<{ table: Table; label: Float32Array }> => {
    const columns = select.map((expression, index) => `(${expression})::FLOAT AS c${index}`).join(', ');
    const reader = await connection.runAndReadAll(`SELECT ${columns}, (delay > 15)::FLOAT AS label FROM f
        ${joins.join(' ')} LEFT JOIN w_route ON w_route.origin = f.origin AND w_route.destination = f.destination
        AND w_route.day = f.hour // 24
        WHERE date >= '${from}' AND date < '${to}' ORDER BY hash(id) LIMIT ${rows}`);
    const values = reader.getColumns().map((c) => Float32Array.from(c, (v) => (v === null ? Number.NaN : Number(v))));
    const label = values.pop() ?? new Float32Array();
    return { table: tableOf(values), label };
  };
  const train = await read('2001-01-02', '2001-02-01');
  const test = await read('2001-02-05', '2001-03-05');
  connection.closeSync();
  return {
    source: 'flights-3m.parquet',
    train: train.table,
    label: train.label,
    test: test.table,
    testLabel: test.label,
  };
}

/** Uniform columns with 5 % missing values and a logistic label over a few interactions. */
function synthetic(rows: number, columns: number): BenchData {
  const make = (seed: number): { table: Table; label: Float32Array } => {
    const random = seededRandom(seed);
    const draw = (): number => (random.next() < 0.05 ? Number.NaN : random.next());
    const values = Array.from({ length: columns }, () => Float32Array.from({ length: rows }, draw));
    const at = (column: number, row: number): number => values[column]![row]! || 0;
    const label = Float32Array.from({ length: rows }, (_, row) => {
      const score =
        6 * at(0, row) * at(1, row) - 2 + Math.sin(9 * at(2, row)) + 2 * (at(3, row) > 0.5 ? at(4, row) : 0);
      return random.next() < 1 / (1 + Math.exp(-score)) ? 1 : 0;
    });
    return { table: tableOf(values), label };
  };
  const train = make(1);
  const test = make(2);
  return {
    source: 'synthetic',
    train: train.table,
    label: train.label,
    test: test.table,
    testLabel: test.label,
  };
}

function tableOf(values: readonly Float32Array[]): Table {
  const columns = values.map((column, index) => ({ name: `c${index}`, kind: 'numeric' as const, values: column }));
  return { rows: values[0]?.length ?? 0, columns };
}
