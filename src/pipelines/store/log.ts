import type { LogLine } from '../contract.ts';
import { type Db, storableText, tables } from './tables.ts';

/** Positions of one step: epochs apart, so that the lines of a later attempt come after those of an earlier one. */
const EPOCH_SPAN = 1_000_000;

export interface NewLogLine {
  readonly seq: number;
  readonly at: number;
  readonly stream: LogLine['stream'];
  readonly text: string;
}

/** Appends lines; those that are there already stay as they are. */
export async function appendLines(
  db: Db,
  of: { readonly run: string; readonly step: string; readonly epoch: number },
  lines: readonly NewLogLine[],
): Promise<void> {
  const rows = lines.map((line) => ({
    run: of.run,
    step: of.step,
    position: of.epoch * EPOCH_SPAN + line.seq,
    at: line.at,
    stream: line.stream,
    text: storableText(line.text),
  }));
  await tables(db)
    .insertInto('pipeline_log')
    .values(rows)
    .onConflict((c) => c.columns(['run', 'step', 'position']).doNothing())
    .execute();
}

export async function readLines(
  db: Db,
  of: { readonly run: string; readonly step: string },
  page: { readonly after: number; readonly limit: number },
): Promise<LogLine[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_log')
    .selectAll()
    .where('run', '=', of.run)
    .where('step', '=', of.step)
    .where('position', '>', page.after)
    .orderBy('position')
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({
    position: row.position,
    epoch: Math.floor(row.position / EPOCH_SPAN),
    at: row.at,
    stream: row.stream as LogLine['stream'],
    text: row.text,
  }));
}
