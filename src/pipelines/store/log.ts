import { type SqlBool, sql } from 'kysely';
import type { Tx } from '#platform/db';
import type { LogLine, LogQuery } from '../contract.ts';
import { type Db, storableText, tables } from './tables.ts';

/**
 * Positions of one step: epochs apart, so that the lines of a later attempt come after those of an earlier one. Earlier
 * versions put them closer together, which leaves room for fewer lines; those rows stay as they are, below all others.
 */
const SPAN = { before: 1_000_000, now: 10_000_000 };
/** Above all positions that earlier versions wrote: an attempt of a step has an epoch of 100 at most. */
const FIRST = 1_000_000_000;

/** Rows that one statement of a search looks at: while it runs, an SQLite database does nothing else. */
const SEARCHED_AT_ONCE = 10_000;
/** Rows that one request looks at. */
const SEARCHED_MAX = 250_000;

export interface NewLogLine {
  readonly seq: number;
  readonly at: number;
  readonly stream: LogLine['stream'];
  readonly text: string;
}

interface OfStep {
  readonly run: string;
  readonly step: string;
}

/**
 * Appends lines; those that are there already stay as they are. All of them are one value of the statement, whose text
 * is therefore always the same: neither database reads and plans it anew for each batch.
 */
export async function appendLines(
  { db, dialect }: Pick<Tx, 'db' | 'dialect'>,
  { run, step, epoch }: OfStep & { readonly epoch: number },
  lines: readonly NewLogLine[],
): Promise<void> {
  const rows = lines.map(({ seq, at, stream, text }) => {
    return [FIRST + epoch * SPAN.now + seq, at, stream, storableText(text).toWellFormed()];
  });
  const values =
    dialect === 'sqlite'
      ? sql`value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each(${JSON.stringify(rows)}) where true`
      : sql`(value ->> 0)::bigint, (value ->> 1)::bigint, value ->> 2, value ->> 3
          from json_array_elements(${JSON.stringify(rows)}::json)`;
  await sql`insert into pipeline_log (run, step, position, at, stream, text) select ${run}, ${step}, ${values}
    on conflict (run, step, position) do nothing`.execute(db);
}

/** Where a line stands: in which attempt, and which of its lines it is. */
function placeOf(position: number): { readonly epoch: number; readonly number: number } {
  const [from, span] = position >= FIRST ? [position - FIRST, SPAN.now] : [position, SPAN.before];
  return { epoch: Math.floor(from / span), number: from % span };
}

/** Lines in their order, how far was looked in the direction of the page, and whether there may be more beyond. */
interface LogPart {
  readonly items: LogLine[];
  readonly at: number;
  readonly more: boolean;
}

/** The first lines after a position, or the last ones before one. */
export async function readLines(db: Db, of: OfStep, { after, before, limit }: LogQuery): Promise<LogPart> {
  const part = { after, before: before ?? Number.MAX_SAFE_INTEGER, isBackward: before !== undefined };
  const found = await linesOf(db, of, { ...part, limit });
  return { items: inOrder(found, part), at: found.at(-1)?.position ?? after, more: found.length === limit };
}

/** As {@link readLines}, of the lines up to `end` that have a text. It ends when it has looked at so many lines. */
export async function searchLines(
  db: Db,
  of: OfStep,
  { after, before, limit, contains, end }: LogQuery & { readonly contains: string; readonly end: number },
): Promise<LogPart> {
  const isBackward = before !== undefined;
  let rest: Part = { after, before: before ?? end + 1, isBackward };
  const found: LogLine[] = [];
  for (let looked = 0; looked < SEARCHED_MAX; looked += SEARCHED_AT_ONCE) {
    // Statements of SQLite follow each other without a pause in which other requests would be answered.
    if (looked > 0) await new Promise((resolve) => setImmediate(resolve));
    const nth = rowsOf(db, of, rest)
      .select('position')
      .offset(SEARCHED_AT_ONCE - 1)
      .limit(1);
    const edge = (await nth.executeTakeFirst())?.position;
    const part = edge === undefined ? rest : { ...rest, ...(isBackward ? { after: edge - 1 } : { before: edge + 1 }) };
    found.push(...(await linesOf(db, of, { ...part, limit: limit - found.length, contains })));
    const isFull = found.length === limit;
    if (isFull || edge === undefined) {
      const at = isFull ? (found.at(-1)?.position ?? 0) : isBackward ? after : end;
      return { items: inOrder(found, rest), at, more: isFull };
    }
    rest = isBackward ? { ...rest, before: edge } : { ...rest, after: edge };
  }
  return { items: inOrder(found, rest), at: isBackward ? rest.before : rest.after, more: true };
}

interface Part {
  /** Positions after it and before the other, both without themselves. */
  readonly after: number;
  readonly before: number;
  /** From the end of the part on. */
  readonly isBackward: boolean;
}

function rowsOf(db: Db, { run, step }: OfStep, { after, before, isBackward }: Part) {
  return tables(db)
    .selectFrom('pipeline_log')
    .where('run', '=', run)
    .where('step', '=', step)
    .where('position', '>', after)
    .where('position', '<', before)
    .orderBy('position', isBackward ? 'desc' : 'asc');
}

/** Lines of a part in the direction in which it is read. */
async function linesOf(
  db: Db,
  of: OfStep,
  { limit, contains, ...part }: Part & { readonly limit: number; readonly contains?: string },
): Promise<LogLine[]> {
  let query = rowsOf(db, of, part).select(['position', 'at', 'stream', 'text']).limit(limit);
  if (contains !== undefined) {
    const pattern = `%${contains.replaceAll(/[!%_]/g, '!$&')}%`;
    query = query.where(({ ref }) => sql<SqlBool>`lower(${ref('text')}) like lower(${pattern}) escape '!'`);
  }
  const rows = await query.execute();
  return rows.map(({ position, at, stream, text }) => {
    return { position, ...placeOf(position), at, stream: stream as LogLine['stream'], text };
  });
}

function inOrder(lines: LogLine[], { isBackward }: Part): LogLine[] {
  return isBackward ? lines.toReversed() : lines;
}

/** The position of the last line; 0 without any. */
export async function lastPosition(db: Db, of: OfStep): Promise<number> {
  const all = { after: 0, before: Number.MAX_SAFE_INTEGER, isBackward: true };
  const row = await rowsOf(db, of, all).select('position').limit(1).executeTakeFirst();
  return row?.position ?? 0;
}
