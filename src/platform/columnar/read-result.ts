import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';
import { DuckDBTypeId } from '@duckdb/node-api';
import type { ColumnData } from './table.ts';

/** Collects one result column chunk by chunk into one typed array. */
export interface ColumnReader {
  add(chunk: DuckDBDataChunk, column: number): void;
  finish(): ColumnData;
}

/** The reader for a column of the given type. Times become epoch milliseconds, truth values 0 and 1. */
export function columnReader(typeId: DuckDBTypeId): ColumnReader {
  switch (typeId) {
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.ENUM:
      return textReader();
    case DuckDBTypeId.FLOAT:
      return floatReader();
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return numberReader((value) => Number((value as { micros: bigint }).micros) / 1_000);
    default:
      return numberReader(Number);
  }
}

function floatReader(): ColumnReader {
  const parts: Float32Array[] = [];
  return {
    add(chunk, column) {
      const vector = chunk.getColumnVector(column);
      const items = itemsOf(vector);
      const part = items instanceof Float32Array ? items.slice(0, chunk.rowCount) : new Float32Array(chunk.rowCount);
      for (let i = 0; i < chunk.rowCount; i++) {
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
      const part = new Float64Array(chunk.rowCount);
      for (let i = 0; i < chunk.rowCount; i++) {
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
      const part = new Int32Array(chunk.rowCount);
      for (let i = 0; i < chunk.rowCount; i++) {
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
