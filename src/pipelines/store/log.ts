import { type SqlBool, sql } from 'kysely';
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

export interface LogPage {
  readonly after: number;
  /** The last lines before this position, instead of the first ones after the other. */
  readonly before?: number | undefined;
  /** Only lines with this text. */
  readonly contains?: string | undefined;
  readonly limit: number;
}

interface OfStep {
  readonly run: string;
  readonly step: string;
}

/** Lines in their order. */
export async function readLines(db: Db, of: OfStep, page: LogPage): Promise<LogLine[]> {
  const isBackward = page.before !== undefined;
  let query = tables(db)
    .selectFrom('pipeline_log')
    .selectAll()
    .where('run', '=', of.run)
    .where('step', '=', of.step)
    .where('position', '>', page.after)
    .orderBy('position', isBackward ? 'desc' : 'asc')
    .limit(page.limit);
  if (page.before !== undefined) query = query.where('position', '<', page.before);
  if (page.contains !== undefined) {
    const pattern = `%${page.contains.replaceAll(/[!%_]/g, '!$&')}%`;
    query = query.where(({ ref }) => sql<SqlBool>`lower(${ref('text')}) like lower(${pattern}) escape '!'`);
  }
  const rows = await query.execute();
  if (isBackward) rows.reverse();
  return rows.map((row) => ({
    position: row.position,
    epoch: Math.floor(row.position / EPOCH_SPAN),
    at: row.at,
    stream: row.stream as LogLine['stream'],
    text: row.text,
  }));
}

/** The position of the last line; 0 without any. */
export async function lastPosition(db: Db, of: OfStep): Promise<number> {
  const row = await tables(db)
    .selectFrom('pipeline_log')
    .select('position')
    .where('run', '=', of.run)
    .where('step', '=', of.step)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.position ?? 0;
}
