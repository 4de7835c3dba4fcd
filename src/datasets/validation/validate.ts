import { type FieldIssue, KedgeError } from '#core/errors';
import type { ColumnarSession, ColumnTable } from '#platform/columnar';
import { columnarErrors, identifier, numbersOf, quoted, textOf } from '#platform/columnar';
import type { ColumnProfile, ColumnType, DatasetSpec, Expectation, ValidationReport } from '../contract.ts';
import { datasetErrors } from '../errors.ts';
import { judge, type Measured, type Segment } from '../model.ts';

export const BATCH_ROWS_MAX = 16_777_216;

export interface Source {
  readonly path: string;
  readonly format: 'parquet' | 'csv' | 'ndjson';
  /** A lower bound for the knowledge time of every row: released rows were not known before their release. */
  readonly knownAt?: number | undefined;
  /** Segments with the rows of the batch that have passed before: released rows are not to repeat them. */
  readonly passed?: readonly string[];
}

export interface Validated {
  readonly report: ValidationReport;
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Bounds of the accepted rows; absent when there are none. */
  readonly bounds: Omit<Segment, 'digest'> | undefined;
  /** Latest knowledge time of any row, accepted or not, in epoch milliseconds; null when no row has one. */
  readonly newestKnownAt: number | null;
  /** Selects the accepted rows with their system columns, numbered from `firstRow`. */
  acceptedSql(firstRow: number): string;
  /** Selects the rows kept apart, with the reason of each in `_reason`. */
  readonly heldSql: string;
}

/**
 * Validates one batch in four passes over a temporary table: read and cast, repair, derive, check. Rows fail one by
 * one, by group or together, as each expectation says. Nothing is written to the dataset here.
 *
 * Errors: `datasets/unreadable-batch`, `datasets/empty-batch`, `datasets/too-many-rows`, `datasets/bad-expression`.
 */
export async function validateBatch(
  session: ColumnarSession,
  source: Source,
  dataset: { readonly spec: DatasetSpec; readonly columns: Readonly<Record<string, ColumnType>> | undefined },
): Promise<Validated> {
  const { spec } = dataset;
  const columns = await readInto(session, source, dataset.columns ?? spec.columns);
  const rows = await countRows(session);
  const repairs = await repair(session, spec);
  await derive(session, spec, source.knownAt);
  const checks = [];
  for (const expectation of spec.expectations)
    checks.push(judge(expectation, await measure(session, expectation, source)));
  const outcome = await summarize(session);
  const report: ValidationReport = {
    rows,
    accepted: outcome.accepted,
    held: rows - outcome.accepted,
    repairs,
    checks,
    columns: await profile(session, columns),
  };
  return {
    report,
    columns,
    bounds: outcome.bounds,
    newestKnownAt: outcome.newestKnownAt,
    acceptedSql: (firstRow) =>
      `select ${firstRow}::bigint + row_number() over (order by _at, _seq) - 1 as _row, _at, _known,
         * exclude (_seq, _at, _known, _reason) from batch where _reason is null order by _at, _seq`,
    heldSql: `select r.* exclude (_seq), b._reason from raw r join batch b using (_seq)
       where b._reason is not null order by _seq`,
  };
}

const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  string: 'varchar',
  integer: 'bigint',
  number: 'double',
  boolean: 'boolean',
  timestamp: 'timestamp',
};

/** Reads the file into the temporary table `raw`, cast to the declared columns or, without any, as it is found. */
async function readInto(
  session: ColumnarSession,
  source: Source,
  declared: Readonly<Record<string, ColumnType>> | undefined,
): Promise<Record<string, ColumnType>> {
  const reader = { parquet: 'read_parquet', csv: 'read_csv_auto', ndjson: 'read_json_auto' }[source.format];
  const from = `${reader}(${quoted(source.path)})`;
  try {
    const found = await session.rows(`describe select * from ${from}`);
    const names = found.map((row) => String(row['column_name']));
    const columns =
      declared ?? Object.fromEntries(found.map((row) => [String(row['column_name']), typeOf(row['column_type'])]));
    const missing = Object.keys(columns).filter((name) => !names.includes(name));
    if (missing.length > 0) {
      const fields = missing.map((name): FieldIssue => ({ path: name, message: `expected a ${columns[name]} column` }));
      throw datasetErrors['unreadable-batch'](`columns are missing: ${missing.join(', ')}`, fields);
    }
    const list = Object.entries(columns).map(([name, type]) => castSql(name, type));
    await session.run(
      `create or replace temp table raw as select row_number() over () as _seq, ${list.join(', ')} from ${from}`,
    );
    return columns;
  } catch (error) {
    if (error instanceof KedgeError && error.code.startsWith('columnar/')) {
      throw datasetErrors['unreadable-batch'](error.message);
    }
    throw error;
  }
}

function castSql(name: string, type: ColumnType): string {
  return `${identifier(name)}::${SQL_TYPES[type]} as ${identifier(name)}`;
}

function typeOf(sqlType: unknown): ColumnType {
  const text = String(sqlType);
  if (/^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)$/.test(text)) return 'integer';
  if (/^(FLOAT|DOUBLE|DECIMAL)/.test(text)) return 'number';
  if (text === 'BOOLEAN') return 'boolean';
  if (/^(TIMESTAMP|DATE)/.test(text)) return 'timestamp';
  return 'string';
}

async function countRows(session: ColumnarSession): Promise<number> {
  const rows = Number((await session.rows('select count(*) as n from raw'))[0]?.['n']);
  if (rows === 0) throw datasetErrors['empty-batch']('the batch has no rows');
  if (rows > BATCH_ROWS_MAX) {
    throw datasetErrors['too-many-rows'](
      `the batch has ${rows} rows, the limit is ${BATCH_ROWS_MAX}: send it in parts`,
    );
  }
  return rows;
}

/** Applies the repairs in order to `raw`, giving `batch`, and counts the rows of each. */
async function repair(session: ColumnarSession, spec: DatasetSpec): Promise<ValidationReport['repairs']> {
  await session.run('create or replace temp table batch as select * from raw');
  const counts = [];
  for (const [i, { name, when, set }] of spec.repairs.entries()) {
    const path = `repairs.${i}`;
    const replaced = Object.entries(set).map(
      ([column, value]) =>
        `case when (${when}) then (${value}) else ${identifier(column)} end as ${identifier(column)}`,
    );
    const [row] = await expression(path, () => session.rows(`select count(*) as n from batch where (${when})`));
    counts.push({ name, rows: Number(row?.['n']) });
    await expression(path, () =>
      session.run(`create or replace temp table batch as select * replace (${replaced.join(', ')}) from batch`),
    );
  }
  return counts;
}

/** Adds the derived columns, the system columns and an empty reason to `batch`. */
async function derive(session: ColumnarSession, spec: DatasetSpec, knownAt: number | undefined): Promise<void> {
  for (const [column, value] of Object.entries(spec.derive)) {
    await expression(`derive.${column}`, () =>
      session.run(`create or replace temp table batch as select *, (${value}) as ${identifier(column)} from batch`),
    );
  }
  const at = `epoch_ms(${identifier(spec.eventTime)}::timestamp)`;
  const known = `epoch_ms(${identifier(spec.knownTime ?? spec.eventTime)}::timestamp)`;
  const bounded = knownAt === undefined ? known : `greatest(${known}, ${Math.trunc(knownAt)})`;
  await expression('eventTime', () =>
    session.run(
      `create or replace temp table batch as select *, ${at}::bigint as _at, ${bounded}::bigint as _known,
         case when ${at} is null or ${known} is null then 'no event or knowledge time' end as _reason from batch`,
    ),
  );
}

const GROUPS_MAX = 20;

/** Measures one expectation and writes its name into `_reason` of each row that it keeps apart. */
async function measure(session: ColumnarSession, expectation: Expectation, source: Source): Promise<Measured> {
  if ('rows' in expectation) return measureCount(session, expectation);
  if ('share' in expectation) return measureShare(session, expectation);
  const bad =
    'row' in expectation
      ? `not coalesce((${expectation.row}), false)`
      : repeatedSql(expectation.unique.map(identifier), source.passed ?? []);
  const [row] = await expression(expectation.name, () =>
    session.rows(`select count(*) filter (where ${bad}) as failed, count(*) as n from batch`),
  );
  const failedRows = Number(row?.['failed']);
  if (failedRows > 0 && expectation.otherwise === 'reject') await holdRows(session, bad, expectation.name);
  return { failedRows, share: failedRows / Math.max(1, Number(row?.['n'])), groups: [] };
}

/** True of a row that equals an earlier one of the batch, or one that has passed before. Nulls are equal here. */
function repeatedSql(columns: readonly string[], passed: readonly string[]): string {
  const earlier = `_seq in (select _seq from
    (select _seq, row_number() over (partition by ${columns.join(', ')} order by _seq) as n from batch) where n > 1)`;
  if (passed.length === 0) return earlier;
  const equal = columns.map((column) => `b.${column} is not distinct from p.${column}`).join(' and ');
  return `(${earlier} or _seq in (select b._seq from batch b
    semi join read_parquet([${passed.map(quoted).join(', ')}], union_by_name = true) p on ${equal}))`;
}

async function measureCount(
  session: ColumnarSession,
  expectation: Extract<Expectation, { rows: unknown }>,
): Promise<Measured> {
  const n = Number((await session.rows('select count(*) as n from batch'))[0]?.['n']);
  const { min = 0, max = BATCH_ROWS_MAX } = expectation.rows;
  const failed = n < min || n > max;
  if (failed && expectation.otherwise === 'quarantine-batch') await holdRows(session, 'true', expectation.name);
  return { failedRows: failed ? n : 0, share: null, groups: [] };
}

async function measureShare(
  session: ColumnarSession,
  expectation: Extract<Expectation, { share: string }>,
): Promise<Measured> {
  const { share, by, max, minRows, otherwise, name } = expectation;
  const group = by === undefined ? `'all'` : `coalesce(${identifier(by)}::varchar, '(none)')`;
  const table = await expression(name, () =>
    session.query(`select ${group} as name, count(*)::double as n,
         avg(case when (${share}) then 1.0 else 0.0 end) as share
       from batch group by 1 having n >= ${minRows} and share > ${max} order by share desc, name`),
  );
  const groups = groupsOf(table);
  if (groups.length > 0) {
    const inGroups = `${group} in (${groups.map((g) => quoted(g.group)).join(', ')})`;
    if (otherwise === 'quarantine-group') await holdRows(session, inGroups, name);
    if (otherwise === 'quarantine-batch') await holdRows(session, 'true', name);
  }
  return {
    failedRows: groups.reduce((sum, g) => sum + g.rows, 0),
    share: groups[0]?.share ?? null,
    groups: by === undefined ? [] : groups.slice(0, GROUPS_MAX),
  };
}

function groupsOf(table: ColumnTable): { group: string; rows: number; share: number }[] {
  const names = textOf(table, 'name');
  const rows = numbersOf(table, 'n');
  const shares = numbersOf(table, 'share');
  return Array.from({ length: table.rows }, (_, i) => ({
    group: names.dictionary[names.codes[i] as number] as string,
    rows: rows[i] as number,
    share: shares[i] as number,
  }));
}

async function holdRows(session: ColumnarSession, where: string, reason: string): Promise<void> {
  await session.run(`update batch set _reason = ${quoted(reason)} where _reason is null and (${where})`);
}

async function summarize(
  session: ColumnarSession,
): Promise<{ accepted: number; bounds: Omit<Segment, 'digest'> | undefined; newestKnownAt: number | null }> {
  const passed = 'filter (where _reason is null)';
  const [row = {}] = await session.rows(
    `select count(*) ${passed} as rows, min(_at) ${passed} as min_at, max(_at) ${passed} as max_at,
       min(_known) ${passed} as min_known, max(_known) ${passed} as max_known, max(_known) as newest from batch`,
  );
  const value = (name: string): number => Number(row[name]);
  const accepted = value('rows');
  const newestKnownAt = row['newest'] === null ? null : value('newest');
  if (accepted === 0) return { accepted, bounds: undefined, newestKnownAt };
  const bounds = {
    rows: accepted,
    minAt: value('min_at'),
    maxAt: value('max_at'),
    minKnownAt: value('min_known'),
    maxKnownAt: value('max_known'),
  };
  return { accepted, bounds, newestKnownAt };
}

async function profile(
  session: ColumnarSession,
  columns: Readonly<Record<string, ColumnType>>,
): Promise<ColumnProfile[]> {
  const names = Object.keys(columns);
  const list = names.flatMap((name, i) => {
    const column = identifier(name);
    const numeric = columns[name] === 'integer' || columns[name] === 'number';
    return [
      `count(*) - count(${column}) as nulls${i}`,
      `min(${column}) as min${i}`,
      `max(${column}) as max${i}`,
      `${numeric ? `avg(${column})` : 'null'} as mean${i}`,
    ];
  });
  const [row = {}] = await session.rows(`select ${list.join(', ')} from batch where _reason is null`);
  const plain = (value: unknown, type: ColumnType): number | string | null => {
    if (value === null || value === undefined) return null;
    return type === 'integer' || type === 'number' ? Number(value) : String(value);
  };
  return names.map((name, i) => {
    const type = columns[name] as ColumnType;
    const mean = row[`mean${i}`];
    return {
      name,
      type,
      nulls: Number(row[`nulls${i}`]),
      min: plain(row[`min${i}`], type),
      max: plain(row[`max${i}`], type),
      mean: mean === null || mean === undefined ? null : Number(mean),
    };
  });
}

/** Runs SQL that contains a user's expression and says whose it was when it fails. */
async function expression<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KedgeError && error.code === columnarErrors['bad-sql'].code) {
      throw datasetErrors['bad-expression'](`${path}: ${error.message}`, [{ path, message: error.message }]);
    }
    throw error;
  }
}
