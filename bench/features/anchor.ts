import type { DuckDBConnection } from '@duckdb/node-api';
import type { WindowView } from '#features';
import { arrivalViews, departureViews } from './windows.ts';

/**
 * The anchor: the same features in DuckDB, as prefix sums per entity read through ASOF joins, the fastest SQL form that
 * we know (several times faster than window RANGE frames). Rows of one instant are summed first, because an ASOF
 * join takes one row of a tie.
 */
export async function anchorFeatures(connection: DuckDBConnection, rows: number): Promise<void> {
  await connection.run(`CREATE OR REPLACE TEMP TABLE sample AS
    SELECT row_number() OVER () - 1 AS id, *, CAST(delay > 15 AS INTEGER) AS late FROM (FROM flights LIMIT ${rows})`);
  const parts = [
    ...arrivalViews.map((view) => viewSql(view, 'known')),
    ...departureViews.map((view) => viewSql(view, 'departed')),
  ];
  const joins = parts.map((sql, p) => (p === 0 ? `(${sql}) v0` : `JOIN (${sql}) v${p} USING (id)`));
  await connection.run(`CREATE OR REPLACE TEMP TABLE features AS SELECT * FROM ${joins.join('\n')}`);
}

function viewSql({ keys, features }: WindowView, time: 'known' | 'departed'): string {
  const key = keys.join(', ');
  const columns = [...new Set(features.flatMap(({ column }) => column ?? []))];
  const windows = [...new Set(features.map(({ windowMs }) => windowMs))];
  const grouped = columns.map((column) => `sum(${column})::DOUBLE AS ${column}`);
  const prefix = ['n', ...columns].map((column) => `sum(${column}) OVER upTo AS ${column}`);
  const joins = [0, ...windows].map((backMs, j) => {
    const same = keys.map((name) => `s.${name} = p${j}.${name}`).join(' AND ');
    return `ASOF LEFT JOIN prefix p${j} ON ${same} AND s.departed - ${backMs} > p${j}.instant`;
  });
  const difference = (column: string, j: number): string =>
    `(coalesce(p0.${column}, 0) - coalesce(p${j}.${column}, 0))`;
  const outputs = features.map(({ name, column, windowMs }) => {
    const count = difference('n', windows.indexOf(windowMs) + 1);
    if (column === undefined) return `${count}::FLOAT AS ${name}`;
    return `(${difference(column, windows.indexOf(windowMs) + 1)} / nullif(${count}, 0))::FLOAT AS ${name}`;
  });
  return `
    WITH grouped AS (
      SELECT ${key}, ${time} AS instant, count(*)::DOUBLE AS n${grouped.map((sql) => `, ${sql}`).join('')}
      FROM sample GROUP BY ${key}, ${time}),
    prefix AS (
      SELECT ${key}, instant, ${prefix.join(', ')} FROM grouped
      WINDOW upTo AS (PARTITION BY ${key} ORDER BY instant))
    SELECT s.id, ${outputs.join(', ')} FROM sample s ${joins.join('\n')}`;
}

/** Rows in which the anchor's features differ from `ours` by more than single-precision rounding. */
export async function countDifferences(
  connection: DuckDBConnection,
  names: readonly string[],
  ours: readonly Float32Array[],
): Promise<number> {
  const result = await connection.stream(`SELECT ${names.join(', ')} FROM features ORDER BY id`);
  let row = 0;
  let different = 0;
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    const vectors = names.map((_, column) => chunk!.getColumnVector(column));
    for (let i = 0; i < chunk.rowCount; i++, row++) {
      const same = vectors.every((vector, column) => {
        const theirs = vector.getItem(i);
        const own = ours[column]![row]!;
        return theirs === null
          ? Number.isNaN(own)
          : Math.abs(Number(theirs) - own) <= 1e-5 * Math.max(1, Math.abs(own));
      });
      if (!same) different++;
    }
  }
  return different;
}
