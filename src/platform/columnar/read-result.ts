import type {
  DuckDBDataChunk,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampValue,
  DuckDBVector,
} from '@duckdb/node-api';
import { DuckDBTypeId } from '@duckdb/node-api';
import type { ColumnData } from './table.ts';

/** Collects one result column chunk by chunk into one typed array. */
export interface ColumnReader {
  add(chunk: DuckDBDataChunk, column: number): void;
  finish(): ColumnData;
}

const DAY_MS = 86_400_000;

/**
 * The reader for a column of the given type; `undefined` for a type that is neither text nor a number nor a time, such
 * as a list. Times become epoch milliseconds, truth values 0 and 1.
 */
export function columnReader(typeId: DuckDBTypeId): ColumnReader | undefined {
  switch (typeId) {
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return textReader();
    case DuckDBTypeId.FLOAT:
      return floatReader();
    case DuckDBTypeId.DATE:
      return numberReader((value) => (value as DuckDBDateValue).days * DAY_MS);
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return numberReader((value) => Number((value as DuckDBTimestampValue).micros) / 1_000);
    case DuckDBTypeId.TIMESTAMP_S:
      return numberReader((value) => Number((value as DuckDBTimestampSecondsValue).seconds) * 1_000);
    case DuckDBTypeId.TIMESTAMP_MS:
      return numberReader((value) => Number((value as DuckDBTimestampMillisecondsValue).millis));
    case DuckDBTypeId.TIMESTAMP_NS:
      return numberReader((value) => Number((value as DuckDBTimestampNanosecondsValue).nanos) / 1_000_000);
    case DuckDBTypeId.DECIMAL:
      return numberReader((value) => (value as DuckDBDecimalValue).toDouble());
    default:
      return NUMERIC.has(typeId) ? numberReader(Number) : undefined;
  }
}

const NUMERIC: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.BOOLEAN,
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.DOUBLE,
  // The type of an expression that is NULL in every row.
  DuckDBTypeId.SQLNULL,
]);

function floatReader(): ColumnReader {
  const parts: Float32Array[] = [];
  return {
    add(chunk, column) {
      const vector = chunk.getColumnVector(column);
      const rows = chunk.rowCount;
      const items = itemsOf(vector);
      const part = items instanceof Float32Array ? items.slice(0, rows) : new Float32Array(rows);
      for (let i = 0; i < rows; i++) {
        const value = vector.getItem(i);
        if (value === null) part[i] = Number.NaN;
        else if (!(items instanceof Float32Array)) part[i] = Number(value);
      }
      parts.push(part);
    },
    finish: () => ({ kind: 'float32', values: joined(parts, (length) => new Float32Array(length)) }),
  };
}

function numberReader(convert: (value: unknown) => number): ColumnReader {
  const parts: Float64Array[] = [];
  return {
    add(chunk, column) {
      const vector = chunk.getColumnVector(column);
      const rows = chunk.rowCount;
      const part = new Float64Array(rows);
      for (let i = 0; i < rows; i++) {
        const value = vector.getItem(i);
        part[i] = value === null ? Number.NaN : convert(value);
      }
      parts.push(part);
    },
    finish: () => ({ kind: 'float64', values: joined(parts, (length) => new Float64Array(length)) }),
  };
}

function textReader(): ColumnReader {
  const parts: Int32Array[] = [];
  const dictionary: string[] = [];
  const codeOf = new Map<string, number>();
  return {
    add(chunk, column) {
      const vector = chunk.getColumnVector(column);
      const rows = chunk.rowCount;
      const part = new Int32Array(rows);
      for (let i = 0; i < rows; i++) {
        const value = vector.getItem(i);
        if (value === null) {
          part[i] = -1;
          continue;
        }
        const text = String(value);
        let code = codeOf.get(text);
        if (code === undefined) {
          code = dictionary.push(text) - 1;
          codeOf.set(text, code);
        }
        part[i] = code;
      }
      parts.push(part);
    },
    finish: () => ({ kind: 'text', codes: joined(parts, (length) => new Int32Array(length)), dictionary }),
  };
}

/**
 * The typed array behind a vector. It is not part of the driver's declared interface, so it is used as a fast path
 * only, and every reader works without it.
 */
function itemsOf(vector: DuckDBVector): unknown {
  return Reflect.get(vector, 'items');
}

function joined<T extends Float32Array | Float64Array | Int32Array>(
  parts: readonly T[],
  make: (length: number) => T,
): T {
  const whole = make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
