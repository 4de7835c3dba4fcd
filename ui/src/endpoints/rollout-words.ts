import type { BlockPoint, EndpointSpec, EndpointView, Figures, RolloutView } from '#serving/contract';
import { formatCount, formatNumber } from '../data/format.ts';

type Stage = RolloutView['stage'];

const active: ReadonlySet<Stage> = new Set(['queued', 'checking', 'shadow', 'canary', 'probation']);

export function isActive(stage: Stage): boolean {
  return active.has(stage);
}

export function statusOfEndpoint(endpoint: EndpointView): { status: string; detail?: string } {
  if (endpoint.locked) return { status: 'locked' };
  const { rollout } = endpoint;
  if (rollout && isActive(rollout.stage)) return statusOfRollout(rollout);
  return { status: endpoint.current ? 'serving' : 'none' };
}

export function statusOfRollout({ stage, weight }: RolloutView): { status: string; detail?: string } {
  return stage === 'canary' ? { status: stage, detail: `${formatNumber(weight)} %` } : { status: stage };
}

/** What may take the place of the current revision: the candidate, or several. */
export function candidatesOf({ model, candidate, live, stage }: RolloutView): string {
  const arms = live?.arms?.filter(({ name }) => name !== 'current') ?? [];
  if (arms.length === 0 || stage === 'completed') return `${model}@${candidate}`;
  return `${model}@${arms.map(({ version }) => version).join(', ')}`;
}

export interface StageStep {
  readonly id: string;
  readonly label: string;
  readonly note: string;
  readonly state: 'done' | 'now' | 'ahead' | 'stopped';
}

/** The path of a rollout as steps, with the one it stands on, or stopped at. */
export function stageSteps(rollout: RolloutView, spec: EndpointSpec): StageStep[] {
  const weights = rollout.live?.steps ?? spec.rollout.canary.steps;
  const canary = weights.map((weight) => ({ id: `canary-${weight}`, label: `${weight} %`, weight }));
  const path = [
    ...checkPath(rollout, spec),
    ...(rollout.live ? livePath(rollout, canary) : pairedPath(rollout, canary, spec)),
  ];
  const reached = reachedStep(rollout, canary);
  const at = path.findIndex(({ id }) => id === reached);
  const isStopped = ['refused', 'rolled-back', 'aborted'].includes(rollout.stage);
  return path.map((step, index) => ({
    ...step,
    state: index < at || rollout.stage === 'completed' ? 'done' : index > at ? 'ahead' : isStopped ? 'stopped' : 'now',
  }));
}

/** What comes before traffic where the endpoint declares it. */
function checkPath({ live, forced }: RolloutView, { rollout: { checks } }: EndpointSpec): Path {
  if (forced) return [];
  const bakes = live && checks.shadow !== null && !['blue-green', 'shadow'].includes(live.strategy);
  return [
    ...(checks.golden || checks.load ? [{ id: 'checking', label: 'checks', note: 'before traffic' }] : []),
    ...(bakes ? [{ id: 'shadow', label: 'shadow', note: `at least ${checks.shadow}` }] : []),
  ];
}

type Path = readonly Omit<StageStep, 'state'>[];
type CanaryStep = { readonly id: string; readonly label: string; readonly weight: number };

/** Decided on late labels of the same requests. */
function pairedPath({ forced }: RolloutView, canary: readonly CanaryStep[], { rollout: spec }: EndpointSpec): Path {
  const probation = [
    { id: 'probation', label: 'probation', note: `100 %, ${spec.probation}` },
    { id: 'completed', label: 'current', note: 'probation survived' },
  ];
  if (forced) return probation;
  const note = `at least ${spec.canary.bake}`;
  return [
    { id: 'shadow', label: 'shadow', note: 'answers nobody' },
    ...canary.map(({ id, label }) => ({ id, label: `canary ${label}`, note })),
    ...probation,
  ];
}

/** Decided on live traffic: which stages there are is up to the strategy. */
function livePath({ live, forced }: RolloutView, canary: readonly CanaryStep[]): Path {
  const strategy = live?.strategy ?? '';
  const shadow = { id: 'shadow', label: 'shadow', note: 'answers nobody' };
  const probation = { id: 'probation', label: 'all traffic', note: 'the former stands by' };
  const completed = { id: 'completed', label: 'current', note: strategy };
  if (forced) return [probation, completed];
  if (strategy === 'shadow') return [shadow, completed];
  if (strategy === 'blue-green') return [shadow, probation, completed];
  return [...canary.map(({ id, label }) => ({ id, label, note: strategy })), completed];
}

/** Why the rollout stands where it stands, in a sentence; undefined where labels alone tell. */
export function holdOf({ live, paused, stage }: RolloutView): string | undefined {
  if (!isActive(stage)) return undefined;
  if (paused) return `Paused by hand: ${paused.reason}.`;
  if (stage === 'checking') return 'It waits for a gateway to run the checks before traffic.';
  return live?.hold ? `It waits: ${live.hold.sentence}.` : undefined;
}

function reachedStep(
  rollout: RolloutView,
  canary: readonly { readonly id: string; readonly weight: number }[],
): string {
  const end = rollout.decisions.at(-1);
  const stage = isActive(rollout.stage) ? rollout.stage : rollout.stage === 'completed' ? 'completed' : end?.from;
  if (stage !== 'canary') return stage === 'queued' || stage === undefined ? 'shadow' : stage;
  // A stopped canary has weight 0 by now; how far it came is in the last decision that gave it one.
  const weight = isActive(rollout.stage)
    ? rollout.weight
    : (rollout.decisions.findLast(({ to }) => to === 'canary')?.weight ?? canary[0]?.weight ?? 0);
  return canary.findLast((step) => step.weight <= weight)?.id ?? canary[0]?.id ?? 'shadow';
}

/** What the comparison says so far, as a sentence that stands without the chart. */
export function verdictOf(figures: Figures, spec: EndpointSpec, stage: Stage): string {
  const { alpha, burnInBlocks } = spec.rollout.decision;
  const base = `${formatCount(figures.requests)} paired requests in ${figures.blocks} hours`;
  if (figures.blocks === 0) return 'No hour was compared: each waits until the labels of its requests are in.';
  if (figures.boundary === null || figures.mean === null) {
    return `${base}. The first ${burnInBlocks} hours only teach how much the hours vary; nothing is decided before.`;
  }
  const level = formatNumber(100 * (1 - alpha));
  const interval =
    figures.low === null || figures.high === null
      ? 'still too wide for an interval'
      : `between ${signed(figures.low)} and ${signed(figures.high)} with ${level} % confidence at every look`;
  const size = `${signed(figures.mean)} log loss per request, ${interval}`;
  const undecided = isActive(stage) ? 'Not decided yet' : 'Left undecided';
  const word = { better: 'The candidate is better', worse: 'The candidate is worse', undecided };
  return `${word[figures.verdict]}: ${size}; ${base}.`;
}

function signed(value: number): string {
  const text = formatNumber(Math.abs(value), 3);
  return value < 0 ? `−${text}` : `+${text}`;
}

/** Where the stage or the weight changed, at event time, for the chart. */
export function stageChanges(decisions: RolloutView['decisions'], blocks: readonly BlockPoint[]) {
  const first = blocks[0]?.start ?? Number.POSITIVE_INFINITY;
  const last = blocks.at(-1)?.start ?? Number.NEGATIVE_INFINITY;
  return decisions
    .filter(({ at }) => at >= first && at <= last + 86_400_000)
    .map(({ at, to, weight }) => ({
      at: Math.min(at, last),
      text: to === 'canary' ? `canary ${formatNumber(weight)} %` : to.replace('-', ' '),
    }));
}
