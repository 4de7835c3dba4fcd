import type { Expression, SqlBool } from 'kysely';
import { sql } from 'kysely';
import { PLANNED_BY_VALUES } from '#ports/sql';
import { afterRow, type KeyValue, keyValuesOf, type OrderTerm, orderOf, pageToken } from './filter/index.ts';
import type { Db } from './tables.ts';

const PLANNED = sql.raw(PLANNED_BY_VALUES);

export interface FoundPage<T> {
  readonly items: readonly T[];
  /** The token of the next page, when there is one. */
  readonly next: string | undefined;
}

export type LifecycleView = 'active' | 'deleted' | 'all';

export interface PagedSearch {
  readonly limit: number;
  readonly token: string | undefined;
  /** All that decides what is found and in which order; a token is good for it only. */
  readonly bound: unknown;
}

/** What a search selects from and on what condition. Its rows are ordered by terms that end in the id. */
export interface Selection {
  readonly from: Expression<unknown>;
  readonly id: Expression<string>;
  readonly where: readonly Expression<SqlBool>[];
  readonly terms: readonly OrderTerm[];
}

/** A page of ids. It goes on from the key of the last row, so that a late page costs no more than the first. */
export async function findPage(db: Db, selection: Selection, search: PagedSearch): Promise<FoundPage<string>> {
  const { terms } = selection;
  const where = [...selection.where];
  if (search.token !== undefined) {
    const values = keyValuesOf(
      search.token,
      search.bound,
      terms.map(({ kind }) => kind),
    );
    where.push(afterRow(terms, values));
  }
  const keys = terms.map((term, i) => sql`${term.expression} as ${sql.ref(`k${i}`)}`);
  const query = sql<Record<string, KeyValue>>`${PLANNED}
    select ${selection.id} as id, ${sql.join(keys)} from ${selection.from}
    where ${sql.join(
      where.map((condition) => sql`(${condition})`),
      sql` and `,
    )}
    order by ${orderOf(terms)} limit ${search.limit + 1}`;
  const { rows } = await query.execute(db);
  const shown = rows.slice(0, search.limit);
  const last = shown.at(-1);
  const more = rows.length > search.limit && last !== undefined;
  return {
    items: shown.map((row) => String(row['id'])),
    next: more
      ? pageToken(
          search.bound,
          terms.map((_, i) => last[`k${i}`] as KeyValue),
        )
      : undefined,
  };
}

export async function countFound(db: Db, { from, where }: Pick<Selection, 'from' | 'where'>): Promise<number> {
  const conditions = sql.join(
    where.map((condition) => sql`(${condition})`),
    sql` and `,
  );
  const query = sql<{ count: number }>`${PLANNED} select count(*) as count from ${from} where ${conditions}`;
  const { rows } = await query.execute(db);
  return Number(rows[0]?.count ?? 0);
}

/** A column of a table that a search names by its alias. */
export function column<T>(name: string): Expression<T> {
  return sql.ref<T>(name);
}

/** What may be absent comes last in either direction: a rank before the value says whether it is. */
export function nullableTerms(
  value: Expression<unknown>,
  { kind, descending }: Pick<OrderTerm, 'kind' | 'descending'>,
): OrderTerm[] {
  const absent = kind === 'text' ? sql`''` : sql`0`;
  return [
    { expression: sql`case when ${value} is null then 1 else 0 end`, kind: 'integer', descending: false },
    { expression: sql`coalesce(${value}, ${absent})`, kind, descending },
  ];
}

export function lifecycleCondition(deletedAt: Expression<unknown>, view: LifecycleView): Expression<SqlBool>[] {
  if (view === 'all') return [];
  return [view === 'active' ? sql<SqlBool>`${deletedAt} is null` : sql<SqlBool>`${deletedAt} is not null`];
}
