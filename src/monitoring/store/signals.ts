import type { BlockView, SignalView } from '../contract.ts';
import { type Db, type SignalTable, tables } from './tables.ts';

export async function latestSignal(db: Db, monitor: string, alert: string): Promise<SignalView | undefined> {
  const row = await tables(db)
    .selectFrom('monitoring_signal')
    .selectAll()
    .where('monitor', '=', monitor)
    .where('alert', '=', alert)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && signalOf(row);
}

export async function insertSignal(db: Db, signal: SignalView): Promise<void> {
  const last = await tables(db)
    .selectFrom('monitoring_signal')
    .select((e) => e.fn.max('number').as('number'))
    .where('monitor', '=', signal.monitor)
    .where('alert', '=', signal.alert)
    .executeTakeFirst();
  await tables(db)
    .insertInto('monitoring_signal')
    .values({ ...signal, number: Number(last?.number ?? 0) + 1, windows: JSON.stringify(signal.windows) })
    .execute();
}

/** Newest first. */
export async function listSignals(
  db: Db,
  filter: {
    readonly endpoint?: string | undefined;
    readonly monitor?: string | undefined;
    readonly state?: string | undefined;
    readonly limit: number;
  },
): Promise<SignalView[]> {
  let query = tables(db)
    .selectFrom('monitoring_signal')
    .selectAll()
    .orderBy('at', 'desc')
    .orderBy('number', 'desc')
    .orderBy('monitor')
    .orderBy('alert')
    .limit(filter.limit);
  if (filter.endpoint !== undefined) query = query.where('endpoint', '=', filter.endpoint);
  if (filter.monitor !== undefined) query = query.where('monitor', '=', filter.monitor);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  return (await query.execute()).map(signalOf);
}

export async function insertBlock(
  db: Db,
  draft: {
    readonly rollout: string;
    readonly endpoint: string;
    readonly current: string;
    readonly candidate: string;
    readonly block: BlockView;
  },
): Promise<void> {
  const { rollout, endpoint, block } = draft;
  await tables(db)
    .insertInto('comparison_block')
    .values({
      rollout,
      start: block.start,
      endpoint,
      current_revision: draft.current,
      candidate_revision: draft.candidate,
      requests: block.requests,
      loss_difference_sum: block.lossDifferenceSum,
      current_loss_sum: block.currentLossSum,
      candidate_loss_sum: block.candidateLossSum,
      candidate_failures: block.candidateFailures,
    })
    .execute();
}

export async function listBlocks(
  db: Db,
  endpoint: string,
  rollout: string,
): Promise<{ current: string; candidate: string; block: BlockView }[]> {
  const rows = await tables(db)
    .selectFrom('comparison_block')
    .selectAll()
    .where('rollout', '=', rollout)
    .where('endpoint', '=', endpoint)
    .orderBy('start')
    .limit(10_000)
    .execute();
  return rows.map((row) => ({
    current: row.current_revision,
    candidate: row.candidate_revision,
    block: {
      start: row.start,
      requests: row.requests,
      lossDifferenceSum: row.loss_difference_sum,
      currentLossSum: row.current_loss_sum,
      candidateLossSum: row.candidate_loss_sum,
      candidateFailures: row.candidate_failures,
    },
  }));
}

function signalOf(row: SignalTable): SignalView {
  return {
    monitor: row.monitor,
    endpoint: row.endpoint,
    alert: row.alert,
    metric: row.metric,
    feature: row.feature,
    state: row.state as SignalView['state'],
    at: row.at,
    value: row.value,
    threshold: row.threshold,
    windows: JSON.parse(row.windows),
    sentence: row.sentence,
  };
}
