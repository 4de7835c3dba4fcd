import { gatewayErrors, invalidField } from '../errors.ts';
import { parseCsv } from './csv.ts';

/** Rows to score, whatever the form in which they came. Without `names` the cells are in the order of the inputs. */
export interface Frame {
  readonly names: readonly string[] | undefined;
  readonly rows: readonly (readonly unknown[])[];
  /** Cells are texts that stand for numbers and texts alike. */
  readonly textual?: boolean;
  /** Where the rows are in the request, for messages. */
  readonly path: string;
}

const CELLS_MAX = 10_000;
const FORMS = 'dataframe_split, dataframe_records, instances or inputs';

/** Of JSON as MLflow, TensorFlow Serving and Vertex AI send it. Throws `gateway/invalid-request`. */
export function frameOfJson(value: unknown): Frame {
  if (!isRecord(value)) throw invalidField('body', `expected an object with ${FORMS}`);
  const { dataframe_split: split, dataframe_records: records, instances, inputs } = value;
  const given = [split, records, instances, inputs].filter((form) => form !== undefined);
  if (given.length !== 1) throw invalidField('body', `expected exactly one of ${FORMS}`);
  if (split !== undefined) return splitFrame(split);
  if (records !== undefined) return rowsFrame(records, 'dataframe_records');
  if (instances !== undefined) return rowsFrame(instances, 'instances');
  return isRecord(inputs) ? columnsFrame(inputs) : rowsFrame(inputs, 'inputs');
}

/** Of CSV. A first line of names is told by its being the names of `inputs`; without one the order is theirs. */
export function frameOfCsv(text: string, inputs: readonly string[], rowsMax: number): Frame {
  try {
    const lines = parseCsv(text, { rowsMax: rowsMax + 1, cellsMax: CELLS_MAX });
    const [first = []] = lines;
    const named = inputs.every((name) => first.includes(name));
    return { names: named ? first : undefined, rows: named ? lines.slice(1) : lines, textual: true, path: 'line' };
  } catch (error) {
    throw invalidField('body', `is not CSV: ${error instanceof Error ? error.message : error}`);
  }
}

function splitFrame(split: unknown): Frame {
  const path = 'dataframe_split';
  if (!isRecord(split)) throw invalidField(path, 'expected an object of columns and data');
  const { columns, data } = split;
  if (!Array.isArray(data) || !data.every((row) => Array.isArray(row))) {
    throw invalidField(`${path}.data`, 'expected an array of rows, each an array of cells');
  }
  if (columns === undefined) return { names: undefined, rows: data, path };
  if (!Array.isArray(columns) || columns.length > CELLS_MAX) {
    throw invalidField(`${path}.columns`, `expected an array of at most ${CELLS_MAX} names`);
  }
  const names = columns.map(String);
  const short = data.findIndex((row) => row.length !== names.length);
  if (short < 0) return { names, rows: data, path };
  throw invalidField(`${path}.data.${short}`, `has ${data[short].length} cells, columns has ${names.length} names`);
}

function rowsFrame(rows: unknown, path: string): Frame {
  if (!Array.isArray(rows)) throw invalidField(path, 'expected an array');
  if (rows.length === 0) throw invalidField(path, 'is empty');
  if (!rows.some(isRecord))
    return { names: undefined, rows: rows.map((row) => (Array.isArray(row) ? row : [row])), path };
  const odd = rows.findIndex((row) => !isRecord(row));
  if (odd >= 0) throw invalidField(`${path}.${odd}`, 'expected an object, as the others are');
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length > CELLS_MAX) throw invalidField(path, `has more than ${CELLS_MAX} names`);
  return { names, rows: rows.map((row) => names.map((name) => row[name])), path };
}

function columnsFrame(columns: Readonly<Record<string, unknown>>): Frame {
  const names = Object.keys(columns);
  const lists = names.map((name) => {
    const cells = columns[name];
    return Array.isArray(cells) ? cells : [cells];
  });
  const count = lists[0]?.length ?? 0;
  const odd = lists.findIndex((cells) => cells.length !== count);
  if (odd >= 0) throw invalidField(`inputs.${names[odd]}`, `has ${lists[odd]?.length} rows, another column ${count}`);
  return { names, rows: Array.from({ length: count }, (_, row) => lists.map((cells) => cells[row])), path: 'inputs' };
}

/**
 * Parses JSON that may hold the numbers NaN and Infinity as Python writes them, which JSON does not know: they are
 * missing values.
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const mended = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (part) =>
      part[0] === '"' ? part : 'null',
    );
    try {
      return JSON.parse(mended);
    } catch {
      const message = error instanceof Error ? error.message.slice(0, 200) : 'not JSON';
      throw gatewayErrors['invalid-request'](`body: is not JSON: ${message}`);
    }
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
