import type { Kysely } from 'kysely';
import type { Tx } from '#platform/db';
import type { AnyTables } from '#ports/sql';
import type { ResourceView } from './contract.ts';

interface ResourceTable {
  readonly resource: {
    kind: string;
    name: string;
    generation: number;
    spec: string;
    status: string;
    created_at: number;
    updated_at: number;
  };
}

interface Draft {
  readonly kind: string;
  readonly name: string;
  readonly spec: Record<string, unknown>;
  readonly generation: number;
}

export async function findResource(
  db: Kysely<AnyTables>,
  kind: string,
  name: string,
): Promise<ResourceView | undefined> {
  const row = await tables(db)
    .selectFrom('resource')
    .selectAll()
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && fromRow(row);
}

export async function listResources(db: Kysely<AnyTables>, kind?: string): Promise<ResourceView[]> {
  let query = tables(db).selectFrom('resource').selectAll().orderBy('kind').orderBy('name').limit(10_000);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  return (await query.execute()).map(fromRow);
}

export async function insertResource(tx: Tx, draft: Draft): Promise<void> {
  await tables(tx.db)
    .insertInto('resource')
    .values({
      kind: draft.kind,
      name: draft.name,
      generation: draft.generation,
      spec: JSON.stringify(draft.spec),
      status: '{}',
      created_at: tx.now,
      updated_at: tx.now,
    })
    .execute();
}

export async function updateResource(tx: Tx, draft: Draft): Promise<void> {
  await tables(tx.db)
    .updateTable('resource')
    .set({ generation: draft.generation, spec: JSON.stringify(draft.spec), updated_at: tx.now })
    .where('kind', '=', draft.kind)
    .where('name', '=', draft.name)
    .execute();
}

export async function updateStatus(
  db: Kysely<AnyTables>,
  kind: string,
  name: string,
  status: Record<string, unknown>,
): Promise<void> {
  await tables(db)
    .updateTable('resource')
    .set({ status: JSON.stringify(status) })
    .where('kind', '=', kind)
    .where('name', '=', name)
    .execute();
}

export async function removeResource(db: Kysely<AnyTables>, kind: string, name: string): Promise<void> {
  await tables(db).deleteFrom('resource').where('kind', '=', kind).where('name', '=', name).execute();
}

function tables(db: Kysely<AnyTables>): Kysely<ResourceTable> {
  return db;
}

function fromRow(row: ResourceTable['resource']): ResourceView {
  return {
    kind: row.kind,
    name: row.name,
    generation: row.generation,
    spec: JSON.parse(row.spec),
    status: JSON.parse(row.status),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
