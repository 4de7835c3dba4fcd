import { type Db, tables } from '../store/tables.ts';

export interface ImportKey {
  readonly kind: 'run' | 'model';
  readonly id: string;
}

/** Of a trace, the key of its row: another project may have a part of it. */
interface MarkKey {
  readonly kind: ImportKey['kind'] | 'trace';
  readonly id: string;
}

export interface ImportMark {
  readonly source: string;
  readonly digest: string | null;
}

export async function findImport(db: Db, { kind, id }: MarkKey): Promise<ImportMark | undefined> {
  return tables(db)
    .selectFrom('tracking_import')
    .select(['source', 'digest'])
    .where('kind', '=', kind)
    .where('id', '=', id)
    .executeTakeFirst();
}

export async function insertImport(
  db: Db,
  { kind, id }: MarkKey,
  begun: { source: string; at: number },
): Promise<void> {
  await tables(db)
    .insertInto('tracking_import')
    .values({ kind, id, source: begun.source, digest: null, begun_at: begun.at, finished_at: null })
    .execute();
}

export async function finishImport(
  db: Db,
  { kind, id }: MarkKey,
  done: { readonly digest: string; readonly at: number },
): Promise<void> {
  await tables(db)
    .updateTable('tracking_import')
    .set({ digest: done.digest, finished_at: done.at })
    .where('kind', '=', kind)
    .where('id', '=', id)
    .execute();
}

/** Sets the times that an experiment has at its source. */
export async function dateExperiment(
  db: Db,
  id: string,
  dates: { readonly updatedAt: number; readonly deletedAt: number | null },
): Promise<void> {
  await tables(db)
    .updateTable('tracking_experiment')
    .set({ updated_at: dates.updatedAt, deleted_at: dates.deletedAt })
    .where('id', '=', id)
    .execute();
}

/** Gives a run what it has at its source. */
export async function settleRun(
  db: Db,
  id: string,
  settled: {
    readonly status: string;
    readonly endedAt: number | null;
    readonly deletedAt: number | null;
    readonly withExperiment: boolean;
  },
): Promise<void> {
  await tables(db)
    .updateTable('tracking_run')
    .set({
      status: settled.status,
      ended_at: settled.endedAt,
      deleted_at: settled.deletedAt,
      deleted_with_experiment: settled.withExperiment ? 1 : 0,
    })
    .where('id', '=', id)
    .execute();
}

/** Gives a logged model what it has at its source. */
export async function settleModel(
  db: Db,
  id: string,
  settled: { readonly status: string; readonly updatedAt: number; readonly deletedAt: number | null },
): Promise<void> {
  await tables(db)
    .updateTable('tracking_model')
    .set({ status: settled.status, updated_at: settled.updatedAt, deleted_at: settled.deletedAt })
    .where('id', '=', id)
    .execute();
}
