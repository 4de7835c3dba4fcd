import { padded } from '../../store/bulk.ts';
import { type Db, tables } from '../../store/tables.ts';
import { NAMES, type Trace, type TraceState } from '../model.ts';
import { assessmentsOf } from './assessments.ts';
import type { TraceTable } from './tables.ts';

export type TraceRow = Readonly<TraceTable>;

export async function findTrace(db: Db, key: string): Promise<TraceRow | undefined> {
  return tables(db).selectFrom('tracking_trace').selectAll().where('key', '=', key).executeTakeFirst();
}

export async function insertTrace(db: Db, row: TraceRow): Promise<void> {
  await tables(db).insertInto('tracking_trace').values(row).execute();
}

export async function updateTrace(
  db: Db,
  key: string,
  change: Partial<Omit<TraceRow, 'key' | 'project' | 'id' | 'created_by' | 'created_at'>>,
): Promise<void> {
  if (Object.keys(change).length === 0) return;
  await tables(db).updateTable('tracking_trace').set(change).where('key', '=', key).execute();
}

type KeyedTable = 'tracking_trace_tag' | 'tracking_trace_metadata';

export async function putTraceKeyed(
  db: Db,
  table: KeyedTable,
  of: { readonly trace: string; readonly values: Iterable<readonly [string, string]> },
): Promise<void> {
  const rows = [...of.values].map(([key, value]) => ({ trace: of.trace, key, value }));
  for (let at = 0; at < rows.length; at += 250) {
    await tables(db)
      .insertInto(table)
      .values(rows.slice(at, at + 250))
      .onConflict((c) => c.columns(['trace', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })))
      .execute();
  }
}

export async function countTraceKeyed(db: Db, table: KeyedTable, trace: string): Promise<number> {
  const row = await tables(db)
    .selectFrom(table)
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('trace', '=', trace)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Whether there was such a tag. */
export async function dropTraceTag(db: Db, trace: string, key: string): Promise<boolean> {
  const { numDeletedRows } = await tables(db)
    .deleteFrom('tracking_trace_tag')
    .where('trace', '=', trace)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

async function keyedOf(
  db: Db,
  table: KeyedTable,
  traces: readonly string[],
): Promise<Map<string, Map<string, string>>> {
  const rows = await tables(db)
    .selectFrom(table)
    .selectAll()
    .where('trace', 'in', padded(traces))
    .orderBy('key')
    .execute();
  const byTrace = new Map(traces.map((trace) => [trace, new Map<string, string>()]));
  for (const { trace, key, value } of rows) byTrace.get(trace)?.set(key, value);
  return byTrace;
}

/** The traces of these keys that are not deleted, in their order. */
export async function tracesOf(db: Db, keys: readonly string[]): Promise<Trace[]> {
  if (keys.length === 0) return [];
  const rows = await tables(db)
    .selectFrom('tracking_trace')
    .selectAll()
    .where('key', 'in', padded(keys))
    .where('deleted_at', 'is', null)
    .execute();
  const tags = await keyedOf(db, 'tracking_trace_tag', keys);
  const metadata = await keyedOf(db, 'tracking_trace_metadata', keys);
  const prompts = await promptsOf(db, keys);
  const assessments = await assessmentsOf(db, keys);
  const byKey = new Map(rows.map((row) => [row.key, row]));
  return keys.flatMap((key) => {
    const row = byKey.get(key);
    if (!row) return [];
    const shown = new Map([...(tags.get(key) ?? []), ...ownTags(row, prompts.get(key) ?? [])]);
    const keyed = { tags: shown, metadata: metadata.get(key) ?? new Map<string, string>() };
    return { ...traceOf(row), ...keyed, assessments: assessments.get(key) ?? [] };
  });
}

/** Tags that are told from what is known, and not stored as tags. */
export const OWN_TAGS: readonly string[] = [NAMES.name, NAMES.artifactLocation, NAMES.spansLocation];

function ownTags(row: TraceRow, prompts: readonly { name: string; version: string }[]): [string, string][] {
  return [
    ...(row.name === null ? [] : [[NAMES.name, row.name] as [string, string]]),
    [NAMES.artifactLocation, row.artifact_uri],
    ...(row.spans > 0 ? [[NAMES.spansLocation, 'TRACKING_STORE'] as [string, string]] : []),
    ...(prompts.length > 0 ? [[NAMES.linkedPrompts, JSON.stringify(prompts)] as [string, string]] : []),
  ];
}

function traceOf(row: TraceRow): Omit<Trace, 'tags' | 'metadata' | 'assessments'> {
  return {
    id: row.id,
    experiment: row.experiment,
    name: row.name ?? undefined,
    requestedAt: Number(row.requested_at),
    durationMs: row.duration === null ? undefined : Number(row.duration),
    state: row.state as TraceState,
    clientRequestId: row.client_request_id ?? undefined,
    requestPreview: row.request_preview ?? undefined,
    responsePreview: row.response_preview ?? undefined,
    artifactUri: row.artifact_uri,
    spans: row.spans,
  };
}

/** How large the stored spans of these traces are together. */
export async function spanBytes(db: Db, keys: readonly string[]): Promise<number> {
  if (keys.length === 0) return 0;
  const row = await tables(db)
    .selectFrom('tracking_trace')
    .select((e) => e.fn.sum<number>('span_bytes').as('bytes'))
    .where('key', 'in', keys)
    .executeTakeFirst();
  return Number(row?.bytes ?? 0);
}

export async function linkRun(db: Db, traces: readonly string[], run: string): Promise<void> {
  const rows = traces.map((trace) => ({ trace, run }));
  if (rows.length === 0) return;
  await tables(db)
    .insertInto('tracking_trace_run')
    .values(rows)
    .onConflict((c) => c.columns(['trace', 'run']).doNothing())
    .execute();
}

export async function linkPrompts(
  db: Db,
  trace: string,
  prompts: readonly { readonly name: string; readonly version: string }[],
): Promise<void> {
  if (prompts.length === 0) return;
  await tables(db)
    .insertInto('tracking_trace_prompt')
    .values(prompts.map(({ name, version }) => ({ trace, name, version })))
    .onConflict((c) => c.columns(['trace', 'name', 'version']).doNothing())
    .execute();
}

async function promptsOf(db: Db, traces: readonly string[]): Promise<Map<string, { name: string; version: string }[]>> {
  const rows = await tables(db)
    .selectFrom('tracking_trace_prompt')
    .selectAll()
    .where('trace', 'in', padded(traces))
    .orderBy('name')
    .orderBy('version')
    .execute();
  const byTrace = new Map<string, { name: string; version: string }[]>();
  for (const { trace, name, version } of rows) {
    byTrace.set(trace, [...(byTrace.get(trace) ?? []), { name, version }]);
  }
  return byTrace;
}

/** Keys of traces of an experiment that are not deleted, the oldest first. */
export async function selectTraces(
  db: Db,
  experiment: string,
  which: {
    readonly before?: number | undefined;
    readonly ids?: readonly string[] | undefined;
    readonly limit: number;
  },
): Promise<{ readonly key: string; readonly id: string }[]> {
  let query = tables(db)
    .selectFrom('tracking_trace')
    .select(['key', 'id'])
    .where('experiment', '=', experiment)
    .where('deleted_at', 'is', null)
    .orderBy('requested_at')
    .orderBy('id')
    .limit(which.limit);
  if (which.before !== undefined) query = query.where('requested_at', '<=', which.before);
  if (which.ids !== undefined) query = query.where('id', 'in', padded(which.ids));
  return query.execute();
}

const OF_TRACE = [
  'tracking_span',
  'tracking_assessment',
  'tracking_trace_tag',
  'tracking_trace_metadata',
  'tracking_trace_run',
  'tracking_trace_prompt',
] as const;

/** Removes all traces of an experiment, and that they were there. */
export async function removeTracesOf(db: Db, experiment: string): Promise<void> {
  const traces = tables(db).selectFrom('tracking_trace').select('key').where('experiment', '=', experiment);
  for (const table of OF_TRACE) await tables(db).deleteFrom(table).where('trace', 'in', traces).execute();
  await tables(db).deleteFrom('tracking_trace').where('experiment', '=', experiment).execute();
}

/** Removes what a trace says, and leaves of it that there was one of this id. */
export async function removeTrace(db: Db, key: string, now: number): Promise<void> {
  for (const table of OF_TRACE) await tables(db).deleteFrom(table).where('trace', '=', key).execute();
  const nothing = { name: null, client_request_id: null, request_preview: null, response_preview: null };
  await updateTrace(db, key, { ...nothing, spans: 0, span_bytes: 0, deleted_at: now });
}
