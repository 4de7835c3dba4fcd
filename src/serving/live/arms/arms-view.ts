import type { LivePlan } from '../live-spec.ts';
import type { ArmView } from '../live-view.ts';
import { LATENCY_FLOOR_MS } from '../observation.ts';
import { type ArmsState, type ArmTotals, armWeights, findingsOfArm } from './arms-state.ts';

/** Several candidates as people see them, the current revision first. */
export function armsView(state: ArmsState, plan: LivePlan, current: number | null): ArmView[] {
  const planned = plan.arms ?? [];
  const shares = armWeights(state, planned);
  const shown = (name: string, totals: ArmTotals) => ({
    ...{ name, weight: shares.get(name) ?? 0 },
    ...shownTotals(totals),
    ...shownSplit(state, name),
  });
  return [
    { ...shown('current', state.current), version: current, out: null, findings: [] },
    ...state.arms.map((arm) => ({
      ...shown(arm.name, arm.totals),
      version: planned.find(({ name }) => name === arm.name)?.version ?? null,
      out: arm.out,
      findings: [...findingsOfArm(arm, plan)],
    })),
  ];
}

function shownTotals({ answered, logLatencySum, scored, failures, earned }: ArmTotals) {
  return {
    ...{ answered, scored, failures, measured: earned.requests },
    typicalMs: answered === 0 ? null : Math.max(0, Math.exp(logLatencySum / answered) - LATENCY_FLOOR_MS),
    mean: earned.requests === 0 ? null : earned.sum / earned.requests,
  };
}

function shownSplit({ split }: ArmsState, arm: string): Pick<ArmView, 'assigned' | 'due'> {
  const place = split?.names.indexOf(arm) ?? -1;
  if (!split || place < 0) return { assigned: null, due: null };
  const { counts, shares } = split.allocation;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return { assigned: counts[place] ?? null, due: total * (shares[place] ?? 0) };
}
