import { KedgeError, messageOf } from '#core/errors';
import type { FeaturePlan } from '#features';
import type { Context } from '#platform/db';
import type { GateVerdict } from '#ports/gate';
import { changeRouting } from './change.ts';
import { needsGateway } from './checks/checks-spec.ts';
import { checkParity } from './checks/parity.ts';
import { unfitForTensors } from './checks/tensor-strategy.ts';
import type { ServingDeps } from './deps.ts';
import { servingErrors } from './errors.ts';
import { type ArmPlan, type ArmSpec, sharesOf } from './live/arms/arms-spec.ts';
import { firstStage } from './live/decide-live.ts';
import { planOf, type RolloutPlan, startState } from './model.ts';
import type { Arm } from './routing.ts';
import { servableArm } from './servable-arm.ts';
import { announce, draftOf, featurePlan, refuse, refuseIfBusy, requireEndpoint } from './start.ts';
import {
  activeRollout,
  type Endpoint,
  findRevision,
  insertRollout,
  type Rollout,
  saveRevision,
  updateEndpoint,
} from './store.ts';

export interface StartArms {
  readonly endpoint: string;
  /** Those that the endpoint declares, unless given. */
  readonly arms?: readonly ArmSpec[] | undefined;
}

interface Prepared {
  readonly arms: readonly { readonly name: string; readonly arm: Arm; readonly verdict: GateVerdict }[];
  readonly plan: RolloutPlan;
  readonly features: FeaturePlan | null;
}

/**
 * Starts a rollout of several candidates at once, in the name of a person. The gate is asked about each; one that it
 * denies, or whose signature the checks refuse, refuses them all, since a comparison without it is another one. Throws
 * `serving/no-arms` where the endpoint cannot have such a rollout.
 */
export async function startArms(deps: ServingDeps, context: Context, request: StartArms): Promise<Rollout> {
  const { db } = deps;
  const prepared = await prepare(deps, context, await requireEndpoint(db.reader, request.endpoint), request.arms);
  return db.react(context, async (tx) => {
    const endpoint = await requireEndpoint(tx.db, request.endpoint);
    refuseIfBusy(endpoint, await activeRollout(tx.db, endpoint.name));
    const current = await currentOf(tx.db, endpoint);
    for (const { name, arm } of prepared.arms) {
      await saveRevision(tx.db, arm);
      if (arm.version !== current.version) continue;
      throw servingErrors['no-arms'](`arm '${name}' is version ${arm.version}, which is the current revision`);
    }
    const cause = { kind: 'user', id: context.actor.id, depth: 0 } as const;
    const [first] = prepared.arms;
    const version = first?.arm.version ?? current.version;
    const { plan } = prepared;
    const draft = { ...draftOf(deps, endpoint, { request: { version, force: undefined, cause }, now: tx.now }), plan };
    const by = context.actor.id;
    const denied = prepared.arms.find(({ verdict }) => !verdict.allow);
    if (denied && !denied.verdict.allow) {
      const { policy, missing } = denied.verdict;
      const sentence = `The gate '${policy}' denies arm '${denied.name}': ${missing.join('; ')}. All arms are refused.`;
      return refuse(tx, draft, { sentence, by });
    }
    const unfit = unfitForTensors([current, ...prepared.arms.map(({ arm }) => arm)], plan);
    if (unfit) return refuse(tx, draft, { sentence: `${unfit}. All arms are refused.`, by });
    const demanded = { signature: plan.checks?.signature ?? 'note' };
    const checks = prepared.arms.map(({ arm }) =>
      checkParity({ current, candidate: arm }, demanded, prepared.features),
    );
    const failed = checks.find(({ passed }) => !passed);
    if (failed && plan.checks?.onFailure !== 'note')
      return refuse(tx, draft, { sentence: `${failed.sentence}. All arms are refused.`, by, checks });
    await updateEndpoint(tx.db, endpoint.name, { features: prepared.features });
    const stage = plan.live ? firstStage(plan.live) : 'canary';
    const rollout = await insertRollout(tx.db, {
      ...draft,
      state: { ...startState(plan, { stage, forced: false }), checks },
    });
    announce(tx, rollout);
    await changeRouting(tx);
    return rollout;
  });
}

async function currentOf(db: Parameters<typeof findRevision>[0], { name, spec, current }: Endpoint): Promise<Arm> {
  const found = current && (await findRevision(db, spec.model, current.version));
  if (found) return found;
  throw servingErrors['no-arms'](`endpoint '${name}' has no current revision to compare arms with: roll one out first`);
}

/** What is found out before the transaction, because the gate and the registry use transactions of their own. */
async function prepare(
  deps: ServingDeps,
  context: Context,
  endpoint: Endpoint,
  given: StartArms['arms'],
): Promise<Prepared> {
  const { spec, name } = endpoint;
  const declared = given ?? spec.rollout.live.arms ?? [];
  const planned = planOf(spec);
  refuseUnfit(endpoint, declared, planned);
  const shares = sharesOf(declared);
  const arms: { name: string; arm: Arm; verdict: GateVerdict }[] = [];
  for (const one of declared) {
    const version = one.version ?? (await versionOf(deps, spec.model, one));
    const arm = await servableArm(deps, spec.model, version);
    const verdict = await deps.gate.decide({
      ...{ model: spec.model, version, transition: 'serve' as const, target: name },
      actor: context.actor.id,
      cause: { kind: 'user', id: context.actor.id, depth: 0 },
      evidence: await deps.versions.evidence(spec.model, version),
    });
    arms.push({ name: one.name, arm, verdict });
  }
  if (new Set(arms.map(({ arm }) => arm.version)).size < arms.length) {
    throw servingErrors['no-arms']('two arms are the same version: name another, or leave one out');
  }
  const plans = arms.map(
    ({ name: own, arm }, i): ArmPlan => ({ name: own, version: arm.version, share: shares[i] ?? 0 }),
  );
  const plan = planned.live ? { ...planned, live: { ...planned.live, arms: plans } } : planned;
  return { arms, plan, features: await featurePlan(deps, endpoint) };
}

function refuseUnfit({ name, spec }: Endpoint, declared: readonly ArmSpec[], plan: RolloutPlan): void {
  const refuse = (why: string): never => {
    throw servingErrors['no-arms'](`endpoint '${name}': ${why}`);
  };
  const { strategy, live } = spec.rollout;
  if (declared.length === 0) refuse('no version and no arms are named, and it declares none (rollout.live.arms)');
  if (strategy !== 'ab' && strategy !== 'bandit')
    refuse(`several candidates are for 'ab' and 'bandit', not '${strategy}'`);
  if (plan.checks && (needsGateway(plan.checks) || plan.checks.shadowMs !== null)) {
    refuse('the checks golden, load and shadow are of one candidate: check the versions before, or leave them out');
  }
  if (strategy === 'bandit' && live.bandit.floor * (declared.length + 1) > 1) {
    refuse(`bandit.floor ${live.bandit.floor} is more than ${declared.length + 1} arms can have each`);
  }
}

async function versionOf(deps: ServingDeps, model: string, { alias = '' }: ArmSpec): Promise<number> {
  try {
    return (await deps.versions.versionByAlias(model, alias)).version;
  } catch (error) {
    if (!(error instanceof KedgeError) || error.status >= 500) throw error;
    throw servingErrors['version-not-found'](messageOf(error));
  }
}
