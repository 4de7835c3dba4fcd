import type { Cause } from '#core/cause';
import { KedgeError, messageOf } from '#core/errors';
import type { FeaturePlan } from '#features';
import type { Context, Tx } from '#platform/db';
import type { GateVerdict } from '#ports/gate';
import { changeRouting, endpointSubject, makeCurrent, recordDecision } from './change.ts';
import { needsGateway } from './checks/checks-spec.ts';
import { stageAfterChecks } from './checks/decide-checks.ts';
import { checkParity } from './checks/parity.ts';
import { listGolden } from './checks/store.ts';
import { unfitForTensors } from './checks/tensor-strategy.ts';
import type { ServingDeps } from './deps.ts';
import { servingErrors } from './errors.ts';
import { rolloutStarted } from './events.ts';
import { planOf, type RolloutState, type Stage, startState } from './model.ts';
import type { Arm } from './routing.ts';
import { servableArm } from './servable-arm.ts';
import {
  activeRollout,
  type Endpoint,
  findEndpoint,
  findRevision,
  hasRolloutOf,
  insertRollout,
  queuedRollout,
  type Rollout,
  saveRevision,
  updateEndpoint,
  updateRollout,
} from './store.ts';
import { weightOf } from './weight.ts';

export interface StartRequest {
  readonly endpoint: string;
  readonly version: number;
  /** Waives the gate and begins with all traffic. */
  readonly force?: { readonly reason: string } | undefined;
  readonly cause: Cause;
  /** Started by the platform: waits behind an active rollout, and happens once for a version. */
  readonly automatic: boolean;
}

/** What was found out before the transaction, because the gate and the registry use transactions of their own. */
interface Prepared {
  readonly arm: Arm;
  readonly features: FeaturePlan | null;
  readonly verdict: GateVerdict;
}

/**
 * Starts a rollout, or records why not. The gate is asked before a version gets any traffic.
 *
 * - An endpoint without a current revision takes the version at once: there is nothing to compare it with.
 * - A version that the gate denies leaves a `refused` rollout that names what is missing.
 * - While a rollout is active, a person is refused and an automatic challenger is `queued`. Only the newest waits: an
 *   older one is superseded, because what the loop learnt last is what is worth comparing. The active one keeps its
 *   evidence; replacing it would let frequent retraining start every comparison anew and finish none.
 * - On a locked endpoint a person is refused and an automatic challenger leaves a `refused` rollout that says so.
 *
 * `undefined` when there was nothing to do: the version is current, or has had its automatic rollout.
 */
export async function startRollout(
  deps: ServingDeps,
  context: Context,
  request: StartRequest,
): Promise<Rollout | undefined> {
  const { db } = deps;
  const endpoint = await requireEndpoint(db.reader, request.endpoint);
  const prepared = await prepare(deps, context, { endpoint, request });
  return db.react(context, async (tx) => {
    const found = await requireEndpoint(tx.db, request.endpoint);
    if (request.automatic && (await hasRolloutOf(tx.db, found.name, request.version))) return undefined;
    if (found.current?.version === request.version) {
      if (request.automatic) return undefined;
      throw servingErrors['already-current'](`version ${request.version} is the current revision of '${found.name}'`);
    }
    const active = await activeRollout(tx.db, found.name);
    if (!request.automatic) refuseIfBusy(found, active);
    await saveRevision(tx.db, prepared.arm);
    const draft = draftOf(deps, found, { request, now: tx.now });
    if (found.locked) {
      const sentence = `The endpoint is locked until a person unlocks it; the version is refused. ${found.lockReason}`;
      return refuse(tx, draft, { sentence, by: context.actor.id });
    }
    if (active) return queue(tx, draft, context.actor.id);
    return begin(tx, { rollout: await insertRollout(tx.db, draft), endpoint: found, prepared, context });
  });
}

/** Begins the rollout that waited, if there is one and nothing stands in its way any more. */
export async function startQueued(deps: ServingDeps, context: Context, name: string): Promise<Rollout | undefined> {
  const { db } = deps;
  const endpoint = await findEndpoint(db.reader, name);
  const waiting = endpoint && (await queuedRollout(db.reader, name));
  if (!waiting) return undefined;
  const { candidate: version, cause } = waiting;
  const request: StartRequest = { endpoint: name, version, cause, automatic: true };
  const prepared = await prepare(deps, context, { endpoint, request });
  return db.react(context, async (tx) => {
    const found = await requireEndpoint(tx.db, name);
    const queued = await queuedRollout(tx.db, name);
    if (queued?.id !== waiting.id || (await activeRollout(tx.db, name))) return undefined;
    await updateEndpoint(tx.db, name, { features: prepared.features });
    const rollout = { ...queued, current: found.current?.version ?? null };
    if (found.locked) {
      const sentence = `The endpoint was locked while the version waited; the version is refused. ${found.lockReason}`;
      return end(tx, rollout, { stage: 'refused', sentence, by: context.actor.id });
    }
    return begin(tx, { rollout, endpoint: found, prepared, context });
  });
}

async function prepare(
  deps: ServingDeps,
  context: Context,
  { endpoint, request }: { readonly endpoint: Endpoint; readonly request: StartRequest },
): Promise<Prepared> {
  const { model } = endpoint.spec;
  const arm = await servableArm(deps, model, request.version);
  const features = await featurePlan(deps, endpoint);
  if (request.force) return { arm, features, verdict: { allow: true, policy: null, satisfied: [] } };
  const verdict = await deps.gate.decide({
    ...{ model, version: request.version, transition: 'serve' as const, target: endpoint.name },
    actor: context.actor.id,
    cause: request.cause,
    evidence: await deps.versions.evidence(model, request.version),
  });
  return { arm, features, verdict };
}

/** What the endpoint's feature views look up. Throws `serving/feature-unknown`. */
export async function featurePlan({ features }: ServingDeps, { name, spec }: Endpoint): Promise<FeaturePlan | null> {
  if (!spec.features) return null;
  if (!features) throw servingErrors['feature-unknown'](`endpoint '${name}' has feature views, but there is no store`);
  return features.plan(spec.features.views).catch((error) => {
    if (!(error instanceof KedgeError) || error.status >= 500) throw error;
    throw servingErrors['feature-unknown'](messageOf(error));
  });
}

export function refuseIfBusy({ name, locked, lockReason }: Endpoint, active: Rollout | undefined): void {
  if (locked) throw servingErrors.locked(`endpoint '${name}' is locked: ${lockReason} Unlock it first.`);
  if (!active) return;
  const { id, candidate, state } = active;
  throw servingErrors['rollout-active'](`rollout ${id} of version ${candidate} is in ${state.stage}: abort it first`);
}

type Draft = Omit<Rollout, 'number'>;

export function draftOf(
  { system }: ServingDeps,
  { name, spec, current }: Endpoint,
  { request, now }: { readonly request: Pick<StartRequest, 'version' | 'force' | 'cause'>; readonly now: number },
): Draft {
  const plan = planOf(spec);
  return {
    id: system.ids.next('roll'),
    endpoint: name,
    model: spec.model,
    current: current?.version ?? null,
    candidate: request.version,
    state: startState(plan, { stage: 'queued', forced: request.force !== undefined }),
    plan,
    reason: request.force?.reason ?? null,
    cause: request.cause,
    startedAt: now,
    finishedAt: null,
  };
}

async function queue(tx: Tx, draft: Draft, by: string): Promise<Rollout> {
  const older = await queuedRollout(tx.db, draft.endpoint);
  if (older) {
    const sentence = `Version ${draft.candidate} came while this one waited and takes its place; it is aborted.`;
    await end(tx, older, { stage: 'aborted', sentence, by });
  }
  const rollout = await insertRollout(tx.db, draft);
  announce(tx, rollout);
  return rollout;
}

interface Beginning {
  readonly rollout: Rollout;
  readonly endpoint: Endpoint;
  readonly prepared: Prepared;
  readonly context: Context;
}

/** Gives a queued rollout its first stage, as the gate and the endpoint allow. */
async function begin(tx: Tx, { rollout, endpoint, prepared, context }: Beginning): Promise<Rollout> {
  const by = context.actor.id;
  const { verdict } = prepared;
  if (!verdict.allow) {
    const sentence = `The gate '${verdict.policy}' denies it: ${verdict.missing.join('; ')}. The version is refused.`;
    announce(tx, rollout);
    return end(tx, rollout, { stage: 'refused', sentence, by });
  }
  await updateEndpoint(tx.db, endpoint.name, { features: prepared.features });
  if (!endpoint.current) {
    announce(tx, rollout);
    await makeCurrent(tx, rollout, endpoint.spec.champion);
    const sentence = 'It is the first version of the endpoint, so there is nothing to compare it with; it is current.';
    const ended = await end(tx, rollout, { stage: 'completed', sentence, by });
    await changeRouting(tx);
    return ended;
  }
  const checked = await check(tx, { rollout, endpoint, prepared });
  if ('refusal' in checked) {
    announce(tx, rollout);
    return end(tx, rollout, {
      stage: 'refused',
      sentence: checked.refusal,
      by,
      ...(checked.checks ? { checks: checked.checks } : {}),
    });
  }
  const started: Rollout = { ...rollout, state: checked.state };
  await updateRollout(tx.db, started);
  announce(tx, started);
  await changeRouting(tx);
  return started;
}

type Checks = NonNullable<RolloutState['checks']>;

/** The checks that need no gateway, and the stage in which the rollout begins if they pass. */
async function check(
  tx: Tx,
  { rollout, endpoint, prepared }: Omit<Beginning, 'context'>,
): Promise<{ readonly state: RolloutState } | { readonly refusal: string; readonly checks?: Checks }> {
  const { plan, model, state } = rollout;
  const { forced } = state;
  const current = endpoint.current && (await findRevision(tx.db, model, endpoint.current.version));
  if (forced || !current) {
    return { state: startState(plan, { stage: forced ? 'probation' : stageAfterChecks(plan), forced }) };
  }
  const unfit = unfitForTensors([current, prepared.arm], plan);
  if (unfit) return { refusal: `${unfit}. The version is refused.` };
  if (!plan.checks) return { state: startState(plan, { stage: stageAfterChecks(plan), forced }) };
  const parity = checkParity({ current, candidate: prepared.arm }, plan.checks, prepared.features);
  const checks = [parity];
  if (!parity.passed && plan.checks.onFailure !== 'note')
    return { refusal: `${parity.sentence}. The version is refused.`, checks };
  const stage = needsGateway(plan.checks) ? 'checking' : stageAfterChecks(plan);
  if (stage === 'checking') {
    const { length } = await listGolden(tx.db, endpoint.name);
    const needed = plan.checks.golden?.requestsMin ?? 1;
    if (length < needed) {
      const sentence = `The endpoint has ${length} golden requests and its checks need ${needed}`;
      return { refusal: `${sentence}: record some. The version is refused.`, checks };
    }
  }
  return { state: { ...startState(plan, { stage, forced }), checks } };
}

export async function refuse(
  tx: Tx,
  draft: Draft,
  why: { readonly sentence: string; readonly by: string; readonly checks?: Checks },
): Promise<Rollout> {
  const rollout = await insertRollout(tx.db, draft);
  announce(tx, rollout);
  return end(tx, rollout, { stage: 'refused', ...why });
}

/** Ends a rollout that has not begun. */
export async function end(
  tx: Tx,
  rollout: Rollout,
  {
    stage,
    sentence,
    by,
    checks,
  }: { readonly stage: Stage; readonly sentence: string; readonly by: string; readonly checks?: Checks },
): Promise<Rollout> {
  const state = { ...rollout.state, stage, ...(checks ? { checks } : {}) };
  const ended: Rollout = { ...rollout, state, finishedAt: tx.now };
  await updateRollout(tx.db, ended);
  const weight = weightOf(state, rollout.plan);
  const decision = {
    from: rollout.state.stage,
    to: stage,
    weight,
    at: null,
    sentence,
    figures: null,
    ...(checks ? { checks } : {}),
  };
  await recordDecision(tx, ended, { decision, by });
  return ended;
}

export function announce(tx: Tx, { id, endpoint, model, current, candidate, state, reason }: Rollout): void {
  const { stage, forced } = state;
  const subject = endpointSubject(endpoint);
  tx.emit(rolloutStarted.draft(subject, { rollout: id, endpoint, model, current, candidate, stage, forced }));
  tx.audit(subject, {
    rollout: id,
    candidate,
    stage,
    forced,
    ...(reason === null ? {} : { gateWaivedBecause: reason }),
  });
}

export async function requireEndpoint(db: Tx['db'] | ServingDeps['db']['reader'], name: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(db, name);
  if (!endpoint) throw servingErrors['not-found'](`there is no endpoint '${name}'`);
  return endpoint;
}
