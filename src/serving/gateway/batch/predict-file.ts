import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import type { Clock } from '#core/clock';
import { defineErrors } from '#core/errors';
import { Columnar, type ColumnTable, identifier, quoted } from '#platform/columnar';
import type { Arm, ModelSignature } from '../../routing.ts';
import { liveArm } from '../live-endpoint.ts';
import { loadModel } from '../runtime/load-model.ts';
import type { ModelRuntime } from '../runtime/model-runtime.ts';
import { TrialThread } from '../runtime/trial-thread.ts';
import { batchesOf } from './table-batches.ts';

export const batchErrors = defineErrors('batch', {
  'no-file': { status: 404, title: 'There is no such file' },
  'unknown-format': { status: 400, title: 'The name of a file does not say its format' },
  'missing-column': { status: 400, title: 'The file lacks a column that the model takes' },
  'wrong-column': { status: 400, title: 'A column of the file is not what the model takes' },
  'other-work': { status: 409, title: 'The unfinished predictions are of another file or model' },
});

export interface FileWork {
  readonly arm: Arm;
  /** The model's ONNX file. */
  readonly model: string;
  /** Parquet, CSV or JSON lines, by its name. Several follow on one another, and are Parquet whatever their names. */
  readonly input: string | readonly string[];
  /** Predicts only the rows of one of so many equal parts, the first of which is 0. */
  readonly shard?: { readonly index: number; readonly of: number } | undefined;
  /** Parquet, CSV or JSON lines, by its name. Appears when everything is predicted. */
  readonly output: string;
  /** Columns of the input that the output has beside the prediction; all unless told. */
  readonly keep?: readonly string[] | undefined;
  readonly clock: Clock;
  /** Rows of a part: what is done again at most after an end. */
  readonly partRows?: number;
  readonly onProgress?: (progress: FileProgress) => void;
}

export interface FileProgress {
  readonly rows: number;
  readonly total: number;
  /** Of these, rows that an earlier start had predicted. */
  readonly resumed: number;
  readonly elapsedMs: number;
}

const PART_ROWS = 200_000;
const MEMORY_BYTES = 1_073_741_824;
const PART = /^part-(\d{8})-(\d+)\.parquet$/;

/**
 * Predicts every row of a file with the model in this process. What is predicted is kept in parts beside the output,
 * each whole or not there, so that a start after an end goes on where that one stopped. Errors: of {@link batchErrors},
 * and `columnar/bad-file`.
 */
export async function predictFile(work: FileWork): Promise<FileProgress> {
  const { arm, clock, onProgress } = work;
  const input = scanned(work.input);
  const output = resolve(work.output);
  const parts = `${output}.parts`;
  formatOf(output);
  await mkdir(parts, { recursive: true });
  await sameWork(parts, { files: input.files, shard: work.shard, digest: arm.digest });
  const startedMs = clock.monotonic();
  const folders = [...new Set(input.files.map((file) => dirname(file)))];
  const reader = await openColumnar(folders, join(parts, 'scratch-read'));
  const writer = await openColumnar([...folders, dirname(output), parts], join(parts, 'scratch-write'));
  const { shape } = liveArm(arm).file;
  const fileBytes = (await stat(work.model)).size;
  const trial = new TrialThread();
  const runtime = await loadModel({ path: work.model, fileBytes, shape, choice: 'inline', clock, trial });
  try {
    await checkColumns(reader, input, arm.signature);
    const source = await shardOf(reader, `select * from ${input.scan(arm.signature.inputs)}`, work.shard);
    const total = await countOf(reader, source);
    const resumed = await finishedRows(parts);
    let rows = resumed;
    const progress = (): FileProgress => ({ rows, total, resumed, elapsedMs: clock.monotonic() - startedMs });
    onProgress?.(progress());
    const columns = arm.signature.inputs.map(({ name }) => identifier(name)).join(', ');
    await reader.exclusive(async (session) => {
      if (rows >= total) return;
      const sql = `select ${columns} from (${source}) limit ${total - rows} offset ${rows}`;
      for await (const table of session.tables(sql, work.partRows ?? PART_ROWS)) {
        const scores = await score(runtime, table, arm);
        await writePart(writer, { parts, from: rows, scores, name: arm.signature.output });
        rows += table.rows;
        onProgress?.(progress());
      }
    });
    await merge(writer, { source, parts, output, keep: work.keep, arm });
    await rm(parts, { recursive: true });
    return progress();
  } finally {
    await runtime.unload();
    await reader.close();
    await writer.close();
  }
}

function openColumnar(directories: readonly string[], scratchDir: string): Promise<Columnar> {
  return Columnar.open({ directories, scratchDir, memoryBytesMax: MEMORY_BYTES });
}

async function score(runtime: ModelRuntime, table: ColumnTable, arm: Arm): Promise<Float32Array> {
  const scores = new Float32Array(table.rows);
  let at = 0;
  for (const batch of batchesOf(table, arm.signature)) {
    scores.set(await runtime.infer(batch), at);
    at += batch.rows;
  }
  return scores;
}

interface Part {
  readonly parts: string;
  /** The number of its first row. */
  readonly from: number;
  readonly scores: Float32Array;
  readonly name: string;
}

/** Its name, which it gets when it is whole, tells the rows that it has. */
async function writePart(writer: Columnar, { parts, from, scores, name }: Part): Promise<void> {
  if (scores.length === 0) return;
  const temporary = join(parts, 'part.new');
  await writer.exclusive(async (session) => {
    const column = { kind: 'float32', values: scores } as const;
    await session.load('scores', { rows: scores.length, columns: new Map([[name, column]]) });
    await session.writeParquet('select * from temp.scores', temporary);
  });
  await rename(temporary, join(parts, `part-${String(from).padStart(8, '0')}-${scores.length}.parquet`));
}

/** The rows of the parts from the first on, as far as there is no gap. What lies past one is done again. */
async function finishedRows(parts: string): Promise<number> {
  let rows = 0;
  for (const { file, from, count } of await partsIn(parts)) {
    if (from === rows) rows += count;
    else await rm(join(parts, file));
  }
  return rows;
}

async function partsIn(
  parts: string,
): Promise<readonly { readonly file: string; readonly from: number; readonly count: number }[]> {
  return (await readdir(parts))
    .flatMap((file) => {
      const [, from, count] = PART.exec(file) ?? [];
      return from === undefined ? [] : [{ file, from: Number(from), count: Number(count) }];
    })
    .sort((a, b) => a.from - b.from);
}

/** Parts belong to one file and one model; predictions of another must not be mixed with them. */
async function sameWork(
  parts: string,
  { files, shard, digest }: Pick<FileWork, 'shard'> & { readonly files: readonly string[]; readonly digest: string },
): Promise<void> {
  const described = files.map(async (input) => {
    const { size, mtimeMs } = await stat(input).catch(() => {
      throw batchErrors['no-file'](`there is no file ${input}`);
    });
    return { input, size, mtimeMs };
  });
  const path = join(parts, 'work.json');
  const own = JSON.stringify({ files: await Promise.all(described), shard, digest });
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found === own) return;
  if (found !== undefined && (await partsIn(parts)).length > 0) {
    throw batchErrors['other-work'](`${parts} has predictions of ${found}; delete it to begin anew`);
  }
  await writeFile(path, own);
}

interface Merge {
  readonly source: string;
  readonly parts: string;
  readonly output: string;
  readonly keep: readonly string[] | undefined;
  readonly arm: Arm;
}

/** The input's columns as they were, each row beside its prediction and the revision that made it. */
async function merge(writer: Columnar, { source, parts, output, keep, arm }: Merge): Promise<void> {
  const files = (await partsIn(parts)).map(({ file }) => quoted(join(parts, file)));
  const name = identifier(arm.signature.output);
  const kept = keep ? keep.map((column) => `i.${identifier(column)}`) : ['i.*'];
  const selected = [...kept, `p.${name}`, `${quoted(arm.revision)} as revision`].join(', ');
  // Without rows there is nothing to be read from, and the columns are all there is.
  const scores = files.length > 0 ? `read_parquet([${files.join(', ')}])` : `(select 0::float as ${name} where false)`;
  const sql = `select ${selected} from (${source}) i positional join ${scores} p`;
  const temporary = `${output}.new`;
  await writer.exclusive(async (session) => {
    await session.run(`copy (${sql}) to ${quoted(temporary)} (${WRITTEN[formatOf(output)]})`);
  });
  await rename(temporary, output);
}

type Format = 'parquet' | 'csv' | 'jsonl';

const WRITTEN: Readonly<Record<Format, string>> = {
  parquet: 'format parquet, compression zstd',
  csv: 'format csv, header true',
  jsonl: 'format json, array false',
};
const FORMATS: Readonly<Record<string, Format>> = {
  '.parquet': 'parquet',
  '.csv': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

function formatOf(path: string): Format {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format) return format;
  throw batchErrors['unknown-format'](`${path}: expected a name that ends in ${Object.keys(FORMATS).join(', ')}`);
}

interface Scanned {
  readonly files: readonly string[];
  /** The rows of all of them, as a table of SQL; with the inputs of a model, fit for it. */
  scan(inputs?: ModelSignature['inputs']): string;
}

function scanned(input: FileWork['input']): Scanned {
  if (typeof input === 'string') {
    const file = resolve(input);
    formatOf(file);
    return { files: [file], scan: (inputs) => scanOf(file, inputs) };
  }
  const files = input.map((path) => resolve(path));
  if (files.length === 0) throw batchErrors['no-file']('there are no rows yet: the list of files is empty');
  return { files, scan: () => `read_parquet([${files.map(quoted).join(', ')}])` };
}

/** The rows of one part of a source. All parts together are its rows, each once, in their order. */
async function shardOf(reader: Columnar, source: string, shard: FileWork['shard']): Promise<string> {
  if (!shard) return source;
  const total = await countOf(reader, source);
  const at = (index: number): number => Math.floor((total * index) / shard.of);
  return `${source} limit ${at(shard.index + 1) - at(shard.index)} offset ${at(shard.index)}`;
}

/** The rows of a file. The types of a CSV's columns are guessed, but for those that the model takes. */
function scanOf(path: string, inputs: ModelSignature['inputs'] = []): string {
  const format = formatOf(path);
  if (format === 'parquet') return `read_parquet(${quoted(path)})`;
  if (format === 'jsonl') return `read_json(${quoted(path)}, format = 'newline_delimited')`;
  const types = inputs.map(({ name, kind }) => `${quoted(name)}: '${kind === 'category' ? 'VARCHAR' : 'DOUBLE'}'`);
  return `read_csv(${quoted(path)}, header = true${types.length > 0 ? `, types = {${types.join(', ')}}` : ''})`;
}

async function countOf(reader: Columnar, source: string): Promise<number> {
  const [row] = await reader.exclusive((session) => session.rows(`select count(*) as n from (${source})`));
  return Number(row?.['n'] ?? 0);
}

/** Told before any work is done, with all that is wrong. */
async function checkColumns(reader: Columnar, { scan }: Scanned, { inputs }: ModelSignature): Promise<void> {
  const described = (table: string) => reader.exclusive((session) => session.rows(`describe select * from ${table}`));
  const names = new Set((await described(scan())).map((row) => row['column_name']));
  const missing = inputs.filter(({ name }) => !names.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw batchErrors['missing-column'](`the file has no ${missing.join(', no ')}`);
  const columns = await described(scan(inputs));
  const types = new Map(columns.map((row) => [row['column_name'], String(row['column_type'])]));
  for (const { name, kind } of inputs) {
    const type = types.get(name) ?? '';
    if (/^(VARCHAR|ENUM)/.test(type) === (kind === 'category')) continue;
    const expected = kind === 'category' ? 'a text' : 'a number';
    throw batchErrors['wrong-column'](`column '${name}' is ${type}, and the model takes ${expected}`);
  }
}

/** Puts the rows of Parquet files into one, in their order, and tells how many there are. */
export async function joinFiles(files: readonly string[], output: string): Promise<number> {
  const [input, target] = [scanned(files), resolve(output)];
  const folders = [...new Set([...input.files, target].map((file) => dirname(file)))];
  const scratch = `${target}.scratch`;
  const columnar = await openColumnar(folders, scratch);
  try {
    await columnar.exclusive((session) =>
      session.run(`copy (select * from ${input.scan()}) to ${quoted(target)} (${WRITTEN.parquet})`),
    );
    return await countOf(columnar, `select * from read_parquet(${quoted(target)})`);
  } finally {
    await columnar.close();
    await rm(scratch, { recursive: true, force: true });
  }
}
