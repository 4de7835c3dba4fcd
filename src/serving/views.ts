import type { Kysely } from 'kysely';
import { assert } from '#core/assert';
import { durationMs } from '#core/units';
import type { AnyTables } from '#ports/sql';
import type { EndpointView, RolloutView } from './contract.ts';
import type { LinearPolicy } from './live/context.ts';
import { policyOf, valuesOf } from './live/contextual.ts';
import { findingsOf, sampleRatio } from './live/evidence.ts';
import type { LivePlan } from './live/live-spec.ts';
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

function liveView({ state: { live: state }, plan: { live: plan } }: Rollout): Pick<RolloutView, 'live'> {
  if (!state || !plan) return {};
  const ratio = sampleRatio(state.evidence);
  const [current = 0, candidate = 0] = state.evidence.allocation?.counts ?? [];
  return {
    live: {
      ...{ strategy: plan.strategy, steps: [...plan.steps], blockMs: plan.blockMs, burnInBlocks: plan.burnInBlocks },
      ...{ hold: state.hold, latest: state.latest, stepRequests: state.stepRequests },
      findings: [...findingsOf(state.evidence, plan)],
      ...(state.contextual
        ? {
            contextual: {
              rows: state.contextual.rows,
              learntAt: state.contextual.pushed?.at ?? null,
              values: valuesOf(state.contextual, plan),
            },
          }
        : {}),
      sampleRatio: ratio && { current, candidate, pValue: ratio.pValue, mismatch: ratio.mismatch },
    },
  };
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
    ...(await protectionOf(db, endpoint, current)),
    ...(rollout?.plan.live && rollout.state.stage !== 'checking' ? { live: liveRouting(rollout) } : {}),
    locked,
  };
}

/** Flags send nobody to a candidate that has no traffic yet. Plans of older rollouts have neither flags nor keys. */
function liveRouting({ state, plan }: Rollout): NonNullable<RoutedEndpoint['live']> {
  const { blockMs, sticky, override, armKeys = [], flags = [] } = plan.live as Partial<LivePlan> & LivePlan;
  const policy = plan.live && policyOf(state.live?.contextual, plan.live);
  return {
    ...{ blockMs, sticky: sticky?.entity ?? null, override },
    ...(armKeys.length > 0 ? { armKeys } : {}),
    ...(policy ? { policy: copyOf(policy) } : {}),
    ...(flags.length > 0 && weightOf(state, plan) > 0 ? { flags } : {}),
  };
}

function copyOf({ context, arms, ...rest }: LinearPolicy): NonNullable<NonNullable<RoutedEndpoint['live']>['policy']> {
  const copies = arms.map(({ inverse, b }) => ({ inverse: inverse.map((row) => [...row]), b: [...b] }));
  return { ...rest, context: [...context], arms: copies };
}

/** While its candidate is checked, a rollout gives gateways work and no traffic. */
async function ofRollout(db: Db, rollout: Rollout): Promise<Partial<RoutedEndpoint>> {
  const { id, state } = rollout;
  return state.stage === 'checking' ? { check: id } : { candidate: await candidate(db, rollout), rollout: id };
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
