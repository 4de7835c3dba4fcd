import { candidateShare, contextOf } from '../live/context.ts';
import { type Attributes, type FlagTest, parseFlag } from '../live/flag-expression.ts';
import type { Arm, RoutedEndpoint } from '../routing.ts';
import { Guardrail } from './guardrail.ts';
import type { EndpointProtection } from './protection/endpoint-protection.ts';
import type { StandIn } from './protection/fallback/stand-ins.ts';
import type { Row } from './read-instance.ts';
import { RolloutObserver } from './rollout-observer.ts';
import { type ModelFile, modelFile, type PartFinder } from './runtime/model-runtime.ts';

/** An endpoint of the routing table, prepared so that a request needs no search: immutable but for its guardrail. */
export interface LiveEndpoint {
  readonly routed: RoutedEndpoint;
  readonly current: LiveArm;
  readonly candidate?: LiveCandidate;
  /** Every name a request may send as an input: what any arm takes and no feature view delivers. */
  readonly accepted: ReadonlySet<string>;
  /** Entity keys a request must carry for the feature views. */
  readonly entities: readonly string[];
  /** Absent where nothing is declared. */
  readonly protection?: EndpointProtection | undefined;
  /** What answers when the current revision cannot, in this order; absent where nothing is declared. */
  readonly standIns?: readonly StandIn[] | undefined;
}

export interface LiveArm {
  readonly arm: Arm;
  readonly file: ModelFile;
  readonly numeric: readonly InputSource[];
  readonly categories: readonly InputSource[];
}

export interface LiveCandidate extends LiveArm {
  /** Requests whose bucket of 10,000 is below this are answered by the candidate. */
  readonly buckets: number;
  /** Takes exactly what the current revision takes, in the same order, so that one row serves both. */
  readonly sameInputs: boolean;
  readonly guardrail: Guardrail;
  readonly observer: RolloutObserver;
  /** The flag that decides about a request; undefined where none is declared. */
  /** The probability with which the candidate answers a row of the current revision, under a contextual bandit. */
  readonly policy: ((row: Pick<Row, 'numeric'>) => number) | undefined;
  readonly flagged: ((request: Attributes) => Flag | undefined) | undefined;
}

export interface Flag {
  readonly name: string;
  readonly arm: 'current' | 'candidate';
}

/** Where an input comes from: `feature` is its place in the row of the feature views, or -1 for the request itself. */
export interface InputSource {
  readonly name: string;
  readonly feature: number;
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
  const arms = candidate ? [current, candidate] : [current];
  const fromRequest = arms.flatMap((arm) => [...arm.numeric, ...arm.categories]).filter(({ feature }) => feature < 0);
  const entities = routed.features?.views.flatMap((view) => view.keys) ?? [];
  const counting = previous?.routed.rollout === routed.rollout ? previous?.candidate : undefined;
  if (routed.candidate) counting?.observer.reweigh(routed.candidate.weight, nowMs);
  return {
    routed,
    current,
    accepted: new Set(fromRequest.map(({ name }) => name)),
    entities: [...new Set(entities)],
    ...(candidate && routed.candidate
      ? {
          candidate: {
            ...candidate,
            buckets: Math.round((routed.candidate.weight / 100) * BUCKETS),
            sameInputs: sameInputs(current, candidate),
            guardrail: counting?.guardrail ?? new Guardrail(routed.guardrail),
            observer: counting?.observer ?? new RolloutObserver(routed, nowMs),
            policy: policyOf(routed, current),
            flagged: flagsOf(routed),
          },
        }
      : {}),
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
  return { arm, file, numeric, categories };
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
export function withoutCandidate({ candidate: _, ...rest }: LiveEndpoint): LiveEndpoint {
  const { candidate: _candidate, rollout: _rollout, ...routed } = rest.routed;
  return { ...rest, routed };
}

function policyOf({ live }: RoutedEndpoint, current: LiveArm): LiveCandidate['policy'] {
  const policy = live?.policy;
  if (!policy) return undefined;
  const places = policy.context.map(({ input }) => current.numeric.findIndex(({ name }) => name === input));
  return ({ numeric }) => {
    const context = contextOf(policy.context, (place) => numeric[places[place] as number]);
    return candidateShare(policy, context);
  };
}

/** A condition that this gateway cannot read, from a newer control plane, holds for nobody. */
function flagsOf({ live }: RoutedEndpoint): LiveCandidate['flagged'] {
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
    JSON.stringify([arm.numeric.map(({ name }) => name), arm.categories.map(({ name }) => name)]);
  return names(a) === names(b);
}
