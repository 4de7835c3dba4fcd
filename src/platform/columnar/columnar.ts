import { mkdirSync } from 'node:fs';
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  FLOAT,
  VARCHAR,
} from '@duckdb/node-api';
import { assert } from '#core/assert';
import { defineErrors, KedgeError, messageOf } from '#core/errors';
import type { Json } from '#core/json';
import { type ColumnReader, columnReader } from './read-result.ts';
import type { ColumnData, ColumnTable } from './table.ts';

export const columnarErrors = defineErrors('columnar', {
  'bad-sql': { status: 400, title: 'An SQL expression cannot be evaluated' },
  'bad-file': { status: 400, title: 'A data file cannot be read' },
  'out-of-memory': { status: 507, title: 'A query needs more memory than it may use' },
});

export interface ColumnarOptions {
  /** Files may be read from and written to these directories only, whatever an expression says. */
  readonly directories: readonly string[];
  /** Where data that does not fit `memoryBytesMax` is spilled. */
  readonly scratchDir: string;
  readonly threads?: number;
  readonly memoryBytesMax?: number;
}

const CHUNK_ROWS = 2_048;

/**
 * Columnar queries over Parquet, CSV and JSON files through DuckDB, in this process and off its event loop.
 * Expressions that users wrote run in a sandbox: no network, no extension, no file outside the given directories, and
 * settings that cannot be changed back.
 */
export class Columnar {
  readonly #connection: DuckDBConnection;
  readonly #instance: DuckDBInstance;
  #line: Promise<unknown> = Promise.resolve();

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(options: ColumnarOptions): Promise<Columnar> {
    mkdirSync(options.scratchDir, { recursive: true });
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(options.threads ?? 1),
      memory_limit: `${Math.floor((options.memoryBytesMax ?? 1_073_741_824) / 1_048_576)}MiB`,
      temp_directory: options.scratchDir,
    });
    const connection = await instance.connect();
    const directories = [...options.directories, options.scratchDir].map((path) => quoted(path)).join(', ');
    await connection.run(`set timezone = 'UTC'; set allowed_directories = [${directories}]`);
    await connection.run('set enable_external_access = false; set lock_configuration = true');
    return new Columnar(instance, connection);
  }

  /** Runs `work` alone: statements of others wait. For sequences that share temporary tables. */
  exclusive<T>(work: (session: ColumnarSession) => Promise<T>): Promise<T> {
    const run = this.#line.then(() => work(new ColumnarSession(this.#connection)));
    this.#line = run.catch(() => {});
    return run;
  }

  query(sql: string): Promise<ColumnTable> {
    return this.exclusive((session) => session.query(sql));
  }

  async close(): Promise<void> {
    await this.#line;
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

/** What may be done while one has the connection. Errors: `columnar/bad-sql` with the engine's words. */
export class ColumnarSession {
  readonly #connection: DuckDBConnection;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  async run(sql: string): Promise<void> {
    await explained(() => this.#connection.run(sql));
  }

  /** The result as typed arrays. */
  async query(sql: string): Promise<ColumnTable> {
    for await (const table of this.tables(sql, Number.POSITIVE_INFINITY)) return table;
    throw new Error('a result has at least one table');
  }

  /**
   * The result in tables of at least `rows` rows, but for the last, so that it need not fit into memory. A result
   * without rows is one empty table. Nothing else may be done with the connection until all of them are taken.
   */
  async *tables(sql: string, rows: number): AsyncGenerator<ColumnTable> {
    const result = await explained(() => this.#connection.stream(sql));
    const names = result.columnNames();
    const types = result.columnTypes();
    const fresh = (): readonly ColumnReader[] => types.map((type, i) => readerOf(type, names[i] ?? ''));
    const tableOf = (readers: readonly ColumnReader[], count: number): ColumnTable => ({
      rows: count,
      columns: new Map(names.map((name, i) => [name, readers[i]?.finish() as ColumnData])),
    });
    let readers = fresh();
    let count = 0;
    let tables = 0;
    for (;;) {
      const chunk = await explained(() => result.fetchChunk());
      if (!chunk || chunk.rowCount === 0) break;
      readers.forEach((reader, i) => void reader.add(chunk, i));
      count += chunk.rowCount;
      if (count < rows) continue;
      yield tableOf(readers, count);
      tables += 1;
      readers = fresh();
      count = 0;
    }
    if (count > 0 || tables === 0) yield tableOf(readers, count);
  }

  /** The result as JSON rows. For results of few rows. */
  async rows(sql: string): Promise<Record<string, Json>[]> {
    return explained(async () => {
      const reader = await this.#connection.runAndReadAll(sql);
      return reader.getRowObjectsJson() as Record<string, Json>[];
    });
  }

  /** Makes a temporary table of typed arrays, which SQL can then join or write to a file. */
  async load(table: string, data: ColumnTable): Promise<void> {
    const names = [...data.columns.keys()];
    const columns = [...data.columns.values()];
    const types = columns.map(typeOf);
    const list = names.map((name, i) => `${identifier(name)} ${types[i]}`).join(', ');
    await this.run(`create or replace temp table ${identifier(table)} (${list})`);
    const appender = await this.#connection.createAppender(table, undefined, 'temp');
    for (let from = 0; from < data.rows; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, data.rows - from);
      const chunk = DuckDBDataChunk.create(types, count);
      columns.forEach((column, i) => void chunk.setColumnValues(i, valuesOf(column, from, count)));
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
  }

  /** Writes the result of a query to a Parquet file. */
  async writeParquet(sql: string, path: string): Promise<void> {
    await this.run(`copy (${sql}) to ${quoted(path)} (format parquet, compression zstd, row_group_size 122880)`);
  }
}

function readerOf(type: DuckDBType, name: string): ColumnReader {
  const reader = columnReader(type.typeId);
  if (reader) return reader;
  throw columnarErrors['bad-sql'](`column '${name}' is a ${type}: expected a number, a text or a time; cast it`);
}

/** An SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** An SQL string literal. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function typeOf(column: ColumnData): DuckDBType {
  if (column.kind === 'text') return VARCHAR;
  return column.kind === 'float32' ? FLOAT : DOUBLE;
}

function valuesOf(column: ColumnData, from: number, count: number): (string | number | null)[] {
  const values: (string | number | null)[] = new Array(count);
  for (let i = 0; i < count; i++) {
    if (column.kind === 'text') {
      const code = column.codes[from + i] as number;
      values[i] = code < 0 ? null : (column.dictionary[code] as string);
    } else {
      const value = column.values[from + i] as number;
      values[i] = Number.isNaN(value) ? null : value;
    }
  }
  assert(values.length === count, 'a chunk has as many values as rows');
  return values;
}

const FILE_ERRORS = /IO Error|No magic bytes|Invalid Input Error: (File|No)|Permission Error/;
const SQL_ERRORS =
  /(Binder|Parser|Catalog|Conversion|Constraint|Invalid \w+|Mismatch Type|Not implemented|Out of Range) Error/i;

async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KedgeError) throw error;
    const message = messageOf(error);
    if (/Out of Memory Error/.test(message)) throw columnarErrors['out-of-memory'](message);
    if (FILE_ERRORS.test(message)) throw columnarErrors['bad-file'](message);
    if (SQL_ERRORS.test(message)) throw columnarErrors['bad-sql'](message);
    throw error;
  }
}
