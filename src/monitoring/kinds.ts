import { durationMs } from '#core/units';
import type { Tx } from '#platform/db';
import type { AppliedResource, ResourceKind } from '#platform/resources';
import { type MonitorSpec, monitorSpec } from './contract.ts';
import { monitoringErrors } from './errors.ts';
import { findProgress, insertProgress } from './store/progress.ts';

export const monitoringKinds: readonly ResourceKind[] = [
  {
    kind: 'monitor',
    schema: monitorSpec,
    references: (spec) => [{ kind: 'endpoint', name: (spec as MonitorSpec).endpoint }],
    onApply: (tx, applied) => startMonitor(tx, applied as AppliedResource<MonitorSpec>),
  },
];

/**
 * Progress and figures are kept by monitor and window start, also past the deletion of the monitor, so a monitor of
 * the same name has to go on with the same windows.
 */
async function startMonitor(tx: Tx, { name, spec }: AppliedResource<MonitorSpec>): Promise<void> {
  const windowMs = durationMs(spec.window);
  const known = await findProgress(tx.db, name);
  if (!known) return insertProgress(tx.db, { monitor: name, endpoint: spec.endpoint, windowMs });
  if (known.endpoint !== spec.endpoint || known.windowMs !== windowMs) {
    throw monitoringErrors['monitor-fixed'](
      `monitor '${name}' watches endpoint '${known.endpoint}' in windows of ${known.windowMs / 60_000} minutes: ` +
        'declare a monitor of another name beside it',
    );
  }
}
