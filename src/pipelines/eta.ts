import type { StepStatus } from './model.ts';

export interface EtaStep {
  readonly step: string;
  readonly status: StepStatus;
  readonly needs: readonly string[];
  readonly startedAt: number | null;
  readonly progress: { readonly n: number; readonly of: number } | null;
}

const OVER: ReadonlySet<StepStatus> = new Set(['succeeded', 'cached', 'failed', 'skipped', 'cancelled']);

/**
 * When a run is expected to end: now, and the longest chain of what its steps still take. A step takes the median of
 * its earlier durations; one that runs takes what is left of that, or what its own progress says (elapsed time × what
 * is to do / what is done). `unknown` counts steps to do that have never succeeded before: they add nothing. Steps are
 * taken to run as soon as what they need is done, so waiting for workers makes it later.
 */
export function etaOf(
  steps: readonly EtaStep[],
  { durations, now }: { readonly durations: ReadonlyMap<string, readonly number[]>; readonly now: number },
): { readonly at: number; readonly unknown: number } {
  const byName = new Map(steps.map((step) => [step.step, step]));
  const leftMs = new Map<string, number>();
  let unknown = 0;
  const ownMs = (step: EtaStep): number => {
    if (OVER.has(step.status)) return 0;
    const elapsedMs = step.status === 'running' && step.startedAt !== null ? now - step.startedAt : 0;
    const { n = 0, of = 0 } = step.progress ?? {};
    if (elapsedMs > 0 && n > 0 && of >= n) return (elapsedMs * (of - n)) / n;
    const known = durations.get(step.step) ?? [];
    if (known.length === 0) unknown += 1;
    return Math.max(0, medianOf(known) - elapsedMs);
  };
  const chainMs = (name: string): number => {
    const known = leftMs.get(name);
    if (known !== undefined) return known;
    const step = byName.get(name);
    if (!step) return 0;
    const total = ownMs(step) + Math.max(0, ...step.needs.map(chainMs));
    leftMs.set(name, total);
    return total;
  };
  const longestMs = Math.max(0, ...steps.map(({ step }) => chainMs(step)));
  return { at: Math.round(now + longestMs), unknown };
}

function medianOf(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0];
  return (low + high) / 2;
}
