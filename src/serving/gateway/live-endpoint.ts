import { digestOf } from '#core/hash';
import { type ArmDraw, armDraw, type Weighted } from '../live/arms/draw-arm.ts';
import { armShares, candidateShare, contextOf, type LinearPolicy } from '../live/context.ts';
import { type Attributes, type FlagTest, parseFlag } from '../live/flag-expression.ts';
import type { Arm, RoutedEndpoint } from '../routing.ts';
import { type BatchPolicy, batchPolicyOf } from './batching/batch-policy.ts';
import { Guardrail } from './guardrail.ts';
import type { EndpointProtection } from './protection/endpoint-protection.ts';
import type { StandIn } from './protection/fallback/stand-ins.ts';
import type { Row } from './read-instance.ts';
import { RolloutObserver } from './rollout-observer.ts';
import { type ModelFile, modelFile, type PartFinder, type TensorFile } from './runtime/model-runtime.ts';
import type { TensorSpec } from './tensors/tensor.ts';

/** An endpoint of the routing table, prepared so that a request needs no search: immutable but for its guardrail. */
export interface LiveEndpoint {
  readonly routed: RoutedEndpoint;
  readonly current: LiveArm;
  readonly candidate?: LiveCandidate;
  /** Several candidates in its place. */
  readonly arms?: LiveArms;
  /** Counts what is seen of the rollout. */
  readonly observer?: RolloutObserver;
  /** Every name a request may send as an input: what any arm takes and no feature view delivers. */
  readonly accepted: ReadonlySet<string>;
  /** The feature view of each name that no arm takes from the request because a view delivers it. */
  readonly delivered: ReadonlyMap<string, string>;
  /** Entity keys a request must carry for the feature views. */
  readonly entities: readonly string[];
  /** Absent where nothing is declared. */
  readonly protection?: EndpointProtection | undefined;
  /** How its requests wait; absent where nothing is declared, and those of one turn are joined. */
  readonly batching?: BatchPolicy | undefined;
  /** What answers when the current revision cannot, in this order; absent where nothing is declared. */
  readonly standIns?: readonly StandIn[] | undefined;
}

export interface LiveArm {
  readonly arm: Arm;
  readonly file: ModelFile;
  readonly numeric: readonly InputSource[];
  readonly categories: readonly InputSource[];
  /** The numbers of a row that has none yet: a copy of it is made faster than an array that finds out what it holds. */
  readonly noNumbers: readonly number[];
  /** Of a model of tensors, which is called by them and has no columns. */
  readonly tensors?: LiveTensors | undefined;
}

export interface LiveTensors {
  readonly file: TensorFile;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What has to be in memory for the arm to answer. */
export function fileOf({ file, tensors }: LiveArm): ModelFile | TensorFile {
  return tensors?.file ?? file;
}

/** What may answer in the place of the current revision. */
export interface LiveRival extends LiveArm {
  /** `candidate` where there is one. */
  readonly name: string;
  /** Takes exactly what the current revision takes, in the same order, so that one row serves both. */
  readonly sameInputs: boolean;
  readonly guardrail: Guardrail;
}

export interface LiveCandidate extends LiveRival {
  /** Requests whose bucket of 10,000 is below this are answered by the candidate. */
  readonly buckets: number;
  /** The probability with which the candidate answers a row of the current revision, under a contextual bandit. */
  readonly policy: ((row: Pick<Row, 'numeric'>) => number) | undefined;
  /** The flag that decides about a request; undefined where none is declared. */
  readonly flagged: FlagFinder | undefined;
}

/** Several candidates at once. */
export interface LiveArms {
  readonly rivals: ReadonlyMap<string, LiveRival>;
  /** The share of each arm, the current revision included; they sum to 1. */
  readonly shares: ReadonlyMap<string, number>;
  /** The arm of a text, by those shares. */
  readonly draw: ArmDraw;
  /** The shares for a row of the current revision, under a contextual bandit. */
  readonly policy: ((row: Pick<Row, 'numeric'>) => readonly Weighted[]) | undefined;
  readonly flagged: FlagFinder | undefined;
}

type FlagFinder = (request: Attributes) => Flag | undefined;

export interface Flag {
  readonly name: string;
  readonly arm: string;
}

/** All that may answer a request, the current revision first. */
export function armsOf({ current, candidate, arms }: LiveEndpoint): readonly LiveArm[] {
  return [current, ...(candidate ? [candidate] : []), ...(arms?.rivals.values() ?? [])];
}

/** Where an input comes from: `feature` is its place in the row of the feature views, or -1 for the request itself. */
export interface InputSource {
  readonly name: string;
  readonly feature: number;
}

/** The names that a request may give its arm: `current` alone where there is no rollout. */
export function armNames({ candidate, arms }: LiveEndpoint): readonly string[] {
  return ['current', ...(candidate ? [candidate.name] : []), ...(arms?.rivals.keys() ?? [])];
}

export const BUCKETS = 10_000;

/**
 * Prepares a routed endpoint. The guardrail and the observer of `previous` go on counting while the same rollout runs;
 * `nowMs` is since the epoch.
 */
export function liveEndpoint(routed: RoutedEndpoint, nowMs: number, previous?: LiveEndpoint): LiveEndpoint {
  const planned = routed.features?.views.flatMap((view) => view.features.map((feature) => feature.name)) ?? [];
  const places = new Map(planned.map((name, place) => [name, place]));
  const current = liveArm(routed.current, places);
  const candidate = routed.candidate && liveArm(routed.candidate, places);
  const counting = previous?.routed.rollout === routed.rollout ? previous : undefined;
  const several = routed.arms && liveArms(routed, { current, places, counting: counting?.arms });
  const all = [current, ...(candidate ? [candidate] : []), ...(several?.rivals.values() ?? [])];
  const sources = all.flatMap((arm) => [...arm.numeric, ...arm.categories]);
  const accepted = new Set(sources.flatMap(({ name, feature }) => (feature < 0 ? [name] : [])));
  const delivered = (routed.features?.views ?? []).flatMap((view) =>
    view.features.map((feature): [string, string] => [feature.name, view.name]),
  );
  const entities = routed.features?.views.flatMap((view) => view.keys) ?? [];
  const batching = batchPolicyOf(routed.batching);
  counting?.observer?.reweigh(routed, nowMs);
  return {
    routed,
    current,
    ...(routed.candidate || several ? { observer: counting?.observer ?? new RolloutObserver(routed, nowMs) } : {}),
    ...(several ? { arms: several } : {}),
    ...(batching ? { batching } : {}),
    accepted,
    delivered: new Map(delivered.filter(([name]) => !accepted.has(name))),
    entities: [...new Set(entities)],
    ...(candidate && routed.candidate
      ? {
          candidate: {
            ...candidate,
            name: 'candidate',
            buckets: Math.round((routed.candidate.weight / 100) * BUCKETS),
            sameInputs: sameInputs(current, candidate),
            guardrail: counting?.candidate?.guardrail ?? new Guardrail(routed.guardrail),
            policy: policyOf(routed, current),
            flagged: flagsOf(routed),
          },
        }
      : {}),
  };
}

interface ArmsContext {
  readonly current: LiveArm;
  readonly places: ReadonlyMap<string, number>;
  readonly counting: LiveArms | undefined;
}

function liveArms(routed: RoutedEndpoint, { current, places, counting }: ArmsContext): LiveArms {
  const routes = routed.arms ?? [];
  const rivals = routes.map(({ name, weight: _, ...route }): LiveRival => {
    const arm = liveArm(route, places);
    const guardrail = counting?.rivals.get(name)?.guardrail ?? new Guardrail(routed.guardrail);
    return { ...arm, name, sameInputs: sameInputs(current, arm), guardrail };
  });
  const left = 100 - routes.reduce((sum, { weight }) => sum + weight, 0);
  const weights = [{ name: 'current', weight: Math.max(0, left) }, ...routes];
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  return {
    rivals: new Map(rivals.map((rival) => [rival.name, rival])),
    shares: new Map(weights.map(({ name, weight }) => [name, weight / total])),
    draw: armDraw(weights),
    policy: policyOfArms(routed, current),
    flagged: flagsOf(routed),
  };
}

export function liveArm(arm: Arm, places: ReadonlyMap<string, number> = new Map()): LiveArm {
  const columns = (kind: 'numeric' | 'category'): InputSource[] =>
    arm.signature.inputs
      .filter((input) => input.kind === kind)
      .map(({ name }) => ({ name, feature: kind === 'numeric' ? (places.get(name) ?? -1) : -1 }));
  const numeric = columns('numeric');
  const categories = columns('category');
  const names = (sources: readonly InputSource[]): string[] => sources.map(({ name }) => name);
  const file = modelFile(
    arm.digest,
    { numeric: names(numeric), categories: names(categories) },
    { output: arm.signature.output, partOf: partsOf(arm) },
  );
  const noNumbers = Array.from(numeric, () => Number.NaN);
  const { tensors } = arm;
  if (!tensors) return { arm, file, numeric, categories, noNumbers };
  const { inputs, outputs, beside } = tensors;
  return {
    arm,
    file,
    numeric,
    categories,
    noNumbers,
    tensors: { file: tensorFile(arm.digest, beside, partsOf(arm)), inputs, outputs },
  };
}

/** The file of a model of tensors; one file and what lies beside it have one key, whoever calls it. */
export function tensorFile(
  digest: Arm['digest'],
  beside: NonNullable<Arm['tensors']>['beside'],
  partOf?: PartFinder | undefined,
): TensorFile {
  const at = { digest, beside };
  return { key: digestOf(JSON.stringify(at)), at, partOf };
}

/** The versions that a graph uses, as they were found when it was put into service. */
function partsOf({ parts, revision }: Arm): PartFinder | undefined {
  if (!parts) return undefined;
  return async (model) => {
    const digest = parts[model];
    if (digest) return { revision: model, file: { key: digest, at: { digest } } };
    throw new Error(`${revision} was put into service without its part '${model}'`);
  };
}

/** The endpoint with its candidate taken out: its requests no longer belong to the rollout. */
export function withoutCandidate(endpoint: LiveEndpoint): LiveEndpoint {
  const { candidate: _, arms: _arms, observer: _observer, ...rest } = endpoint;
  const { candidate: _candidate, arms: _routes, rollout: _rollout, ...routed } = rest.routed;
  return { ...rest, routed };
}

/** The endpoint with one of several candidates taken out: the others and the current revision share its requests. */
export function withoutArm(endpoint: LiveEndpoint, name: string, nowMs: number): LiveEndpoint {
  const arms = endpoint.routed.arms?.filter((arm) => arm.name !== name) ?? [];
  if (arms.length === 0) return withoutCandidate(endpoint);
  const total = 100 - (endpoint.routed.arms?.find((arm) => arm.name === name)?.weight ?? 0);
  const weighed = arms.map((arm) => ({ ...arm, weight: (100 * arm.weight) / total }));
  const { protection, standIns } = endpoint;
  const live = liveEndpoint({ ...endpoint.routed, arms: weighed }, nowMs, endpoint);
  return { ...live, ...(protection ? { protection } : {}), ...(standIns ? { standIns } : {}) };
}

function policyOf({ live }: RoutedEndpoint, current: LiveArm): LiveCandidate['policy'] {
  const policy = live?.policy;
  if (!policy) return undefined;
  const seen = contextReader(policy, current);
  return (row) => candidateShare(policy, seen(row));
}

/** The parameters may know an arm that has been taken out since: it gets nothing, and the others its share. */
function policyOfArms({ live, arms = [] }: RoutedEndpoint, current: LiveArm): LiveArms['policy'] {
  const policy = live?.policy;
  const names = policy?.names;
  if (!policy || !names) return undefined;
  const known = new Set(['current', ...arms.map(({ name }) => name)]);
  const places = names.flatMap((name, i) => (known.has(name) ? [i] : []));
  if (places.length < 2) return undefined;
  const within = { ...policy, arms: places.map((i) => policy.arms[i] as LinearPolicy['arms'][number]) };
  const seen = contextReader(policy, current);
  return (row) => armShares(within, seen(row)).map((weight, i) => ({ name: names[places[i] as number] ?? '', weight }));
}

function contextReader({ context }: Pick<LinearPolicy, 'context'>, current: LiveArm) {
  const places = context.map(({ input }) => current.numeric.findIndex(({ name }) => name === input));
  return ({ numeric }: Pick<Row, 'numeric'>) => contextOf(context, (place) => numeric[places[place] as number]);
}

/** A condition that this gateway cannot read, from a newer control plane, holds for nobody. */
function flagsOf({ live }: RoutedEndpoint): FlagFinder | undefined {
  if (!live?.flags || live.flags.length === 0) return undefined;
  const flags = live.flags.map((flag) => ({ flag, holds: testOf(flag.when) }));
  return (request) => flags.find(({ holds }) => holds(request))?.flag;
}

function testOf(when: string): FlagTest {
  try {
    return parseFlag(when);
  } catch {
    return () => false;
  }
}

function sameInputs(a: LiveArm, b: LiveArm): boolean {
  const names = (arm: LiveArm): string =>
    JSON.stringify([
      arm.numeric.map(({ name }) => name),
      arm.categories.map(({ name }) => name),
      arm.tensors?.inputs ?? [],
    ]);
  return names(a) === names(b);
}
