import type { Tx } from '#platform/db';
import type { AlertSpec, SignalView } from '../contract.ts';
import { monitoringSignal } from '../events.ts';
import { type AlertSeries, decideAlert, type Stage, stageOf } from '../model.ts';
import { lastDrift, lastWindows } from '../store/figures.ts';
import { insertSignal, latestSignal } from '../store/signals.ts';
import type { Monitor } from './deps.ts';

/** Decides the alerts of a monitor on its newest windows; what changed is stored, published and returned. */
export async function decideAlerts(
  tx: Pick<Tx, 'db' | 'emit'>,
  { name, spec }: Monitor,
  { stages, at }: { readonly stages: readonly Stage[]; readonly at: number },
): Promise<SignalView[]> {
  const signals: SignalView[] = [];
  for (const alert of spec.alerts.filter(({ metric }) => stages.includes(stageOf(metric)))) {
    const before = await latestSignal(tx.db, name, alert.name);
    const change = decideAlert(alert, await seriesOf(tx.db, name, alert), before);
    if (!change) continue;
    const of = { monitor: name, endpoint: spec.endpoint, alert: alert.name, metric: alert.metric, at };
    const signal: SignalView = { ...of, ...change, windows: [...change.windows] };
    await insertSignal(tx.db, signal);
    const { windows: _windows, ...data } = signal;
    tx.emit(monitoringSignal.draft(`monitor/${name}`, data));
    signals.push(signal);
  }
  return signals;
}

async function seriesOf(db: Tx['db'], monitor: string, alert: AlertSpec): Promise<AlertSeries[]> {
  const { metric, n, feature = 'any' } = alert;
  if (metric !== 'psi') return [{ feature: null, windows: await lastWindows(db, { monitor, metric, n }) }];
  const series = await lastDrift(db, monitor, n);
  return feature === 'any' ? series : series.filter((candidate) => candidate.feature === feature);
}
