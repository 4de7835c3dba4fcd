import { type RawBuilder, sql } from 'kysely';
import { assert } from '#core/assert';
import type { Digest } from '#core/hash';
import { columnsOf, type Database } from '#platform/db';

/** What the rows of the database refer to. */
export interface References {
  /** Every digest that is written anywhere in a text of a row. */
  readonly digests: Iterable<Digest>;
  /** Of these, the ones whose content may refer to other content in its turn. */
  readonly manifests: readonly Digest[];
}

/**
 * Tables that tell what was done or measured, where a digest keeps no content alive: the audit log with its tree, the
 * outbox, what steps printed, what was told of their
 * lineage, and the points of metrics and predictions, which are many and hold none. A table that is
 * not named here is searched, so that one that is new, and holds digests, is never forgotten.
 */
const NOT_SEARCHED = new RegExp(
  '^(?:audit(?:_.*)?|event|event_cursor|log_head|schema_migration|pipeline_log|lineage_event|prediction(?:_.*)?' +
    '|tracking_(?:metric|latest_metric|point|series))$',
);

/** Tables whose digests are of files, segments and versions: content that refers to nothing. */
const LEAVES = /^(?:tracking|dataset|registry|serving)_/;

const DIGEST = /sha256:[0-9a-f]{64}/g;

/** One statement, and so one state of the database: a reference that moves between tables is seen in one of them. */
export async function referencesOf(db: Database): Promise<References> {
  const branches = await textColumns(db);
  assert(branches.length > 0, 'the database has no table that could refer to content');
  const selects = branches.map(({ table, column }): RawBuilder<unknown> => {
    const leaf = LEAVES.test(table) ? 1 : 0;
    const name = sql.ref(column);
    return sql`select distinct ${sql.lit(leaf)} as leaf, ${name} as text from ${sql.table(table)}
      where ${name} like ${sql.lit('%sha256:%')}`;
  });
  const query = sql<{ leaf: number; text: string }>`${sql.join(selects, sql` union all `)}`;
  const { rows } = await query.execute(db.reader);
  const digests = new Set<Digest>();
  const manifests = new Set<Digest>();
  for (const { leaf, text } of rows) {
    for (const digest of digestsIn(text)) {
      digests.add(digest);
      if (leaf === 0) manifests.add(digest);
    }
  }
  return { digests, manifests: [...manifests] };
}

export function digestsIn(text: string): Digest[] {
  return (text.match(DIGEST) ?? []) as Digest[];
}

async function textColumns(db: Database): Promise<{ table: string; column: string }[]> {
  const columns = await columnsOf(db);
  return columns.filter(({ table, type }) => !NOT_SEARCHED.test(table) && /^(?:text|varchar|json)/.test(type));
}
