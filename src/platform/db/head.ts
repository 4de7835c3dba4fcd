import type { Transaction } from 'kysely';
import type { AnyTables } from '#ports/sql';

export interface HeadRow {
  readonly id: number;
  readonly audit_seq: number;
  readonly audit_hash: string;
  readonly event_seq: number;
}

/** Reads the one row that numbers audit entries and events. The store's writers run one at a time, so it is ours. */
export async function lockHead(trx: Transaction<AnyTables>): Promise<HeadRow> {
  return (await trx.selectFrom('log_head').selectAll().where('id', '=', 1).executeTakeFirstOrThrow()) as HeadRow;
}
