import type { Kysely } from 'kysely';
import { assert } from '#core/assert';
import { durationMs } from '#core/units';
import { checkAllocation } from '#math/test/allocation';
import type { AnyTables } from '#ports/sql';
import type { EndpointView, RolloutView } from './contract.ts';
import { armsIn, armWeights } from './live/arms/arms-state.ts';
import { armsView } from './live/arms/arms-view.ts';
import type { LinearPolicy } from './live/context.ts';
import { policyOf, valuesOf } from './live/contextual.ts';
import { findingsOf } from './live/evidence.ts';
import type { LivePlan } from './live/live-spec.ts';
import type { LiveState } from './live/live-state.ts';
import { figuresOf } from './model.ts';
import type { Arm, FallbackRoute, RoutedEndpoint, RoutingTable } from './routing.ts';
import {
  activeRollout,
  type Endpoint,
  findRevision,
  listDecisions,
  listEndpoints,
  previousVersion,
  queuedRollout,
  type Rollout,
  routingVersion,
} from './store.ts';
import { weightOf } from './weight.ts';

type Db = Kysely<AnyTables>;

export async function rolloutView(db: Db, rollout: Rollout): Promise<RolloutView> {
  const { id, endpoint, model, current, candidate, state, plan, reason, cause, startedAt, finishedAt } = rollout;
  const { kind, id: causeId, depth, at } = cause;
  return {
    ...{ id, endpoint, model, current, candidate, reason, startedAt, finishedAt },
    stage: state.stage,
    weight: weightOf(state, plan),
    forced: state.forced,
    cause: { kind, id: causeId, depth, ...(at === undefined ? {} : { at }) },
    evidence: figuresOf(state.evidence, plan),
    stageEvidence: figuresOf(state.stageEvidence, plan),
    ...liveView(rollout),
    ...(state.paused ? { paused: state.paused } : {}),
    ...(state.checks ? { checks: [...state.checks] } : {}),
    decisions: await listDecisions(db, id),
  };
}

function liveView({ state: { live: state }, plan: { live: plan }, current }: Rollout): Pick<RolloutView, 'live'> {
  if (!state || !plan) return {};
  return {
    live: {
      ...{ strategy: plan.strategy, steps: [...plan.steps], blockMs: plan.blockMs, burnInBlocks: plan.burnInBlocks },
      ...{ hold: state.hold, latest: state.latest, stepRequests: state.stepRequests },
      findings: state.arms ? [] : [...findingsOf(state.evidence, plan)],
      ...(state.contextual
        ? {
            contextual: {
              rows: state.contextual.rows,
              learntAt: state.contextual.pushed?.at ?? null,
              values: valuesOf(state.contextual, plan),
            },
          }
        : {}),
      sampleRatio: ratioOf(state),
      ...(state.arms ? { arms: armsView(state.arms, plan, current) } : {}),
    },
  };
}

function ratioOf({ arms, evidence }: LiveState): NonNullable<RolloutView['live']>['sampleRatio'] {
  const allocation = arms ? arms.split?.allocation : evidence.allocation;
  if (!allocation) return null;
  const [current = 0, ...others] = allocation.counts;
  const { pValue, mismatch } = checkAllocation(allocation);
  return { current, candidate: others.reduce((sum, count) => sum + count, 0), pValue, mismatch };
}

export async function endpointView(db: Db, endpoint: Endpoint): Promise<EndpointView> {
  const { name, spec, current, locked, lockReason } = endpoint;
  const active = await activeRollout(db, name);
  const queued = await queuedRollout(db, name);
  return {
    ...{ name, spec, locked, lockReason },
    current: current && { ...current, revision: `${spec.model}@${current.version}` },
    rollout: active ? await rolloutView(db, active) : null,
    queued: queued?.candidate ?? null,
  };
}

/**
 * The routing table of this moment. Its version is read first, so a change in between shows under a version that is
 * asked for again, never the other way round.
 */
export async function routingTable(db: Db): Promise<RoutingTable> {
  const version = await routingVersion(db);
  const endpoints: Record<string, RoutedEndpoint> = {};
  for (const endpoint of await listEndpoints(db)) {
    if (endpoint.current) endpoints[endpoint.name] = await routed(db, endpoint, endpoint.current.version);
  }
  return { version, endpoints };
}

async function routed(db: Db, endpoint: Endpoint, current: number): Promise<RoutedEndpoint> {
  const { name, spec, features, locked } = endpoint;
  const rollout = await activeRollout(db, name);
  const { window, ...limits } = spec.guardrail;
  return {
    name,
    current: await arm(db, spec.model, current),
    ...(rollout ? await ofRollout(db, rollout) : {}),
    features,
    guardrail: { ...limits, windowMs: durationMs(window) },
    timeoutMs: spec.timeoutMs,
    ...(spec.pinned ? { pinned: true } : {}),
    ...(await protectionOf(db, endpoint, current)),
    ...(spec.batching ? { batching: spec.batching } : {}),
    ...(rollout?.plan.live && rollout.state.stage !== 'checking' ? { live: liveRouting(rollout) } : {}),
    locked,
  };
}

/** Flags send nobody to a candidate that has no traffic yet. Plans of older rollouts have neither flags nor keys. */
function liveRouting({ state, plan }: Rollout): NonNullable<RoutedEndpoint['live']> {
  const { blockMs, sticky, override, armKeys = [], flags = [] } = plan.live as Partial<LivePlan> & LivePlan;
  const arms = state.live?.arms;
  const within = arms && new Set(armsIn(arms).map(({ name }) => name));
  const policy = plan.live && policyOf(state.live?.contextual, plan.live, within);
  const known = (arm: string): boolean => arm === 'current' || (within ? within.has(arm) : arm === 'candidate');
  const sent = flags.filter(({ arm }) => known(arm));
  return {
    ...{ blockMs, sticky: sticky?.entity ?? null, override },
    ...(armKeys.length > 0 ? { armKeys } : {}),
    ...(policy ? { policy: copyOf(policy) } : {}),
    ...(sent.length > 0 && weightOf(state, plan) > 0 ? { flags: sent } : {}),
  };
}

function copyOf({
  context,
  arms,
  names,
  ...rest
}: LinearPolicy): NonNullable<NonNullable<RoutedEndpoint['live']>['policy']> {
  const copies = arms.map(({ inverse, b }) => ({ inverse: inverse.map((row) => [...row]), b: [...b] }));
  return { ...rest, ...(names ? { names: [...names] } : {}), context: [...context], arms: copies };
}

/** While its candidate is checked, a rollout gives gateways work and no traffic. */
async function ofRollout(db: Db, rollout: Rollout): Promise<Partial<RoutedEndpoint>> {
  const { id, state } = rollout;
  if (state.stage === 'checking') return { check: id };
  if (rollout.plan.live?.arms) return { arms: await armsOf(db, rollout), rollout: id };
  return { candidate: await candidate(db, rollout), rollout: id };
}

/** Those of several candidates that are in traffic. */
async function armsOf(db: Db, { state, plan, model }: Rollout): Promise<NonNullable<RoutedEndpoint['arms']>> {
  const { arms: planned = [] } = plan.live ?? {};
  const shares = state.live?.arms ? armWeights(state.live.arms, planned) : new Map<string, number>();
  const routes: NonNullable<RoutedEndpoint['arms']> = [];
  for (const { name, version } of planned) {
    const weight = shares.get(name);
    if (weight !== undefined) routes.push({ ...(await arm(db, model, version)), name, weight });
  }
  return routes;
}

async function protectionOf(
  db: Db,
  { name, spec }: Endpoint,
  current: number,
): Promise<Pick<RoutedEndpoint, 'protection' | 'fallbacks'>> {
  const { protection } = spec;
  if (!protection) return {};
  const routes: FallbackRoute[] = [];
  for (const fallback of protection.fallbacks) {
    if (fallback.by === 'rule' || fallback.by === 'constant') {
      routes.push(fallback);
      continue;
    }
    const previous = fallback.by === 'previous' ? await previousVersion(db, name, current) : undefined;
    const { model, version } = fallback.by === 'model' ? fallback : { model: spec.model, version: previous };
    const found = version === undefined ? undefined : await findRevision(db, model, version);
    if (found) routes.push({ by: fallback.by, arm: found });
  }
  return { protection, ...(routes.length > 0 ? { fallbacks: routes } : {}) };
}

async function candidate(db: Db, rollout: Rollout): Promise<NonNullable<RoutedEndpoint['candidate']>> {
  const weight = weightOf(rollout.state, rollout.plan);
  return { ...(await arm(db, rollout.model, rollout.candidate)), weight, shadow: weight === 0 };
}

async function arm(db: Db, model: string, version: number): Promise<Arm> {
  const found = await findRevision(db, model, version);
  assert(found, `the revision ${model}@${version} is served but not stored`);
  return found;
}
