import { insertMany, padded } from '../../store/bulk.ts';
import { type Db, tables } from '../../store/tables.ts';
import type { OtlpSpan } from '../otlp.ts';
import type { SpanRecord } from '../records.ts';

const COLUMNS = {
  trace: 'text',
  span: 'text',
  parent: 'text',
  name: 'text',
  type: 'text',
  status: 'text',
  started_us: 'bigint',
  ended_us: 'bigint',
  attributes: 'text',
  content: 'text',
} as const;
const NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];

/** Writes spans of one trace; one that is there already is replaced, as it is sent again when more is known of it. */
export async function putSpans(db: Db, trace: string, records: readonly SpanRecord[]): Promise<void> {
  const values = records.flatMap((record) => {
    const row = { trace, ...record };
    return NAMES.map((column) => row[column]);
  });
  await insertMany(
    db,
    {
      name: 'spans',
      table: 'tracking_span',
      columns: COLUMNS,
      conflict: (insert) =>
        insert.onConflict((c) =>
          c.columns(['trace', 'span']).doUpdateSet((e) => ({
            parent: e.ref('excluded.parent'),
            name: e.ref('excluded.name'),
            type: e.ref('excluded.type'),
            status: e.ref('excluded.status'),
            started_us: e.ref('excluded.started_us'),
            ended_us: e.ref('excluded.ended_us'),
            attributes: e.ref('excluded.attributes'),
            content: e.ref('excluded.content'),
          })),
        ),
    },
    values,
  );
}

/** How large those of these spans are that are stored already. */
export async function storedSizes(db: Db, trace: string, spans: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (let at = 0; at < spans.length; at += 1_000) {
    const rows = await tables(db)
      .selectFrom('tracking_span')
      .select((e) => ['span', e.fn<number>('octet_length', ['content']).as('bytes')])
      .where('trace', '=', trace)
      .where('span', 'in', padded(spans.slice(at, at + 1_000)))
      .execute();
    for (const { span, bytes } of rows) found.set(span, Number(bytes));
  }
  return found;
}

/** All spans of each trace, by when they began. */
export async function spansOf(db: Db, traces: readonly string[]): Promise<Map<string, OtlpSpan[]>> {
  const byTrace = new Map<string, OtlpSpan[]>(traces.map((trace) => [trace, []]));
  if (traces.length === 0) return byTrace;
  const rows = await tables(db)
    .selectFrom('tracking_span')
    .select(['trace', 'content'])
    .where('trace', 'in', padded(traces))
    .orderBy('started_us')
    .orderBy('span')
    .execute();
  for (const { trace, content } of rows) byTrace.get(trace)?.push(JSON.parse(content) as OtlpSpan);
  return byTrace;
}
