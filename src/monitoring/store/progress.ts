import type { Progress } from '../model.ts';
import { type Db, type ProgressTable, tables } from './tables.ts';

export async function watermarkOf(db: Db, endpoint: string): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('monitoring_watermark')
    .select('at')
    .where('endpoint', '=', endpoint)
    .executeTakeFirst();
  return row?.at;
}

/** Moves the watermark to `to` unless it is further already, and answers where it stands. */
export async function raiseWatermark(db: Db, endpoint: string, to: number): Promise<number> {
  const before = await watermarkOf(db, endpoint);
  if (before !== undefined && before >= to) return before;
  await tables(db)
    .insertInto('monitoring_watermark')
    .values({ endpoint, at: to })
    .onConflict((c) => c.column('endpoint').doUpdateSet({ at: to }))
    .execute();
  return to;
}

export async function findProgress(db: Db, monitor: string): Promise<Progress | undefined> {
  const row = await tables(db)
    .selectFrom('monitoring_progress')
    .selectAll()
    .where('monitor', '=', monitor)
    .executeTakeFirst();
  return row && progressOf(row);
}

export async function insertProgress(
  db: Db,
  draft: { readonly monitor: string; readonly endpoint: string; readonly windowMs: number },
): Promise<void> {
  const { monitor, endpoint, windowMs } = draft;
  await tables(db)
    .insertInto('monitoring_progress')
    .values({ monitor, endpoint, window_ms: windowMs, inputs_until: 0, quality_until: 0 })
    .execute();
}

export async function progressOfEndpoints(db: Db, endpoints: readonly string[]): Promise<Progress[]> {
  const rows = await tables(db)
    .selectFrom('monitoring_progress')
    .selectAll()
    .where('endpoint', 'in', endpoints)
    .orderBy('monitor')
    .execute();
  return rows.map(progressOf);
}

/** Moves a stage of a monitor on. False when it stands elsewhere than expected: somebody else was here. */
export async function moveProgress(
  db: Db,
  step: {
    readonly monitor: string;
    readonly stage: 'inputs' | 'quality';
    readonly from: number;
    readonly to: number;
  },
): Promise<boolean> {
  const column = step.stage === 'inputs' ? 'inputs_until' : 'quality_until';
  const { numUpdatedRows } = await tables(db)
    .updateTable('monitoring_progress')
    .set({ [column]: step.to })
    .where('monitor', '=', step.monitor)
    .where(column, '=', step.from)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** A window that is to be looked at again. `mark` changes with every later arrival. */
export interface Reopened {
  readonly monitor: string;
  readonly start: number;
  readonly mark: number;
  /** A prediction was late; otherwise only labels were. */
  readonly byPredictions: boolean;
}

export async function reopen(
  db: Db,
  windows: readonly { readonly monitor: string; readonly start: number }[],
  byPredictions: boolean,
): Promise<void> {
  for (const { monitor, start } of windows) {
    const flag = byPredictions ? 1 : 0;
    await tables(db)
      .insertInto('monitoring_reopened')
      .values({ monitor, window_start: start, mark: 1, by_predictions: flag })
      .onConflict((c) =>
        c.columns(['monitor', 'window_start']).doUpdateSet((e) => ({
          mark: e('monitoring_reopened.mark', '+', 1),
          ...(byPredictions ? { by_predictions: 1 } : {}),
        })),
      )
      .execute();
  }
}

export async function reopenedOf(db: Db, monitors: readonly string[]): Promise<Reopened[]> {
  if (monitors.length === 0) return [];
  const rows = await tables(db)
    .selectFrom('monitoring_reopened')
    .selectAll()
    .where('monitor', 'in', monitors)
    .orderBy('window_start')
    .orderBy('monitor')
    .execute();
  return rows.map((row) => ({
    monitor: row.monitor,
    start: row.window_start,
    mark: row.mark,
    byPredictions: row.by_predictions === 1,
  }));
}

/** Closes a window again. False when something arrived since it was read; then it stays open. */
export async function closeReopened(db: Db, { monitor, start, mark }: Reopened): Promise<boolean> {
  const { numDeletedRows } = await tables(db)
    .deleteFrom('monitoring_reopened')
    .where('monitor', '=', monitor)
    .where('window_start', '=', start)
    .where('mark', '=', mark)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

export async function knowRollout(db: Db, rollout: string, endpoint: string): Promise<void> {
  await tables(db)
    .insertInto('monitoring_rollout')
    .values({ rollout, endpoint, blocks_until: 0 })
    .onConflict((c) => c.column('rollout').doNothing())
    .execute();
}

export async function rolloutsOf(db: Db, endpoint: string): Promise<{ rollout: string; blocksUntil: number }[]> {
  const rows = await tables(db)
    .selectFrom('monitoring_rollout')
    .selectAll()
    .where('endpoint', '=', endpoint)
    .orderBy('rollout')
    .execute();
  return rows.map((row) => ({ rollout: row.rollout, blocksUntil: row.blocks_until }));
}

/** As {@link moveProgress}, for the blocks of a rollout. */
export async function moveRollout(
  db: Db,
  step: { readonly rollout: string; readonly from: number; readonly to: number },
): Promise<boolean> {
  const { numUpdatedRows } = await tables(db)
    .updateTable('monitoring_rollout')
    .set({ blocks_until: step.to })
    .where('rollout', '=', step.rollout)
    .where('blocks_until', '=', step.from)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

function progressOf(row: ProgressTable): Progress {
  return {
    monitor: row.monitor,
    endpoint: row.endpoint,
    windowMs: row.window_ms,
    inputsUntil: row.inputs_until,
    qualityUntil: row.quality_until,
  };
}
