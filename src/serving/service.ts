import { sleep } from '#core/clock';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { PlatformEvent } from '#platform/events';
import { applyOutcome, type Change, changeRouting, endpointSubject } from './change.ts';
import type { CheckReport } from './checks/check-result.ts';
import type { CheckWork } from './checks/routes.ts';
import { listGolden } from './checks/store.ts';
import type { BlockPoint, EndpointView, GuardrailReport, RolloutView, TrafficView } from './contract.ts';
import { decideRollout, type RolloutFact } from './decide.ts';
import type { ServingDeps } from './deps.ts';
import { servingErrors } from './errors.ts';
import { comparisonBlock, guardrailTripped } from './events.ts';
import { learnFallbacks, refreshFeatures } from './follow-declaration.ts';
import { isInTraffic, refuseOtherArms, refuseUnknownArm } from './live/arms/known-arms.ts';
import { type IncidentBundle, incidentBundle } from './live/bundle.ts';
import type { Observation, Outcomes } from './live/observation.ts';
import { findBundle, insertObservation, listObservations, listOutcomes } from './live/store.ts';
import { BLOCKS_READ, trafficOf } from './live/traffic.ts';
import { figuresOf, isActive } from './model.ts';
import type { Arm, RoutingTable, TensorVersion } from './routing.ts';
import { calledVersion, servableArm } from './servable-arm.ts';
import { end, requireEndpoint, type StartRequest, startQueued, startRollout } from './start.ts';
import { type StartArms, startArms } from './start-arms.ts';
import {
  findEndpoint,
  findRevision,
  findRollout,
  insertBlock,
  listBlocks,
  listDecisions,
  listEndpoints,
  listRollouts,
  promotedRollout,
  type Rollout,
  routingVersion,
  updateEndpoint,
} from './store.ts';
import { endpointView, rolloutView, routingTable } from './views.ts';

const AHEAD_MAX_MS = 3_600_000;
const ROUTING_WAIT_MS = 25_000;
/** Changes by another control plane of the same database are noticed within this. */
const ROUTING_POLL_MS = 1_000;

interface ArmCommand {
  readonly arm: string;
  readonly reason: string;
}

export class ServingService {
  readonly #deps: ServingDeps;

  constructor(deps: ServingDeps) {
    this.#deps = deps;
  }

  async endpoints(): Promise<EndpointView[]> {
    const { reader } = this.#deps.db;
    return Promise.all((await listEndpoints(reader)).map((endpoint) => endpointView(reader, endpoint)));
  }

  /** Errors: `serving/not-found`. */
  async endpoint(name: string): Promise<EndpointView> {
    const { reader } = this.#deps.db;
    return endpointView(reader, await requireEndpoint(reader, name));
  }

  /** Starts a rollout in the name of the actor. Errors: `serving/rollout-active`, `serving/locked` and more. */
  async start(
    context: Context,
    {
      endpoint,
      version,
      arms,
      force,
    }: Pick<StartRequest, 'endpoint' | 'force'> & { readonly version?: number | undefined } & Pick<StartArms, 'arms'>,
  ): Promise<RolloutView> {
    if (version === undefined) {
      return rolloutView(this.#deps.db.reader, await startArms(this.#deps, context, { endpoint, arms }));
    }
    const cause = { kind: 'user', id: context.actor.id, depth: 0 } as const;
    const started = await startRollout(this.#deps, context, { endpoint, version, force, cause, automatic: false });
    if (!started) throw servingErrors['already-current'](`version ${version} is the current revision of '${endpoint}'`);
    return rolloutView(this.#deps.db.reader, started);
  }

  /** Starts a rollout by itself, once for a version of an endpoint. */
  async challenge(context: Context, request: Omit<StartRequest, 'automatic' | 'force'>): Promise<void> {
    await startRollout(this.#deps, context, { ...request, automatic: true });
  }

  async startQueued(context: Context, endpoint: string): Promise<void> {
    await startQueued(this.#deps, context, endpoint);
  }

  /** Moves an active rollout on. Errors: `serving/rollout-not-found`, `serving/not-active`. */
  promote(context: Context, rollout: string, reason: string): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'promote', reason });
  }

  /** Makes one of several candidates the current revision. Errors as {@link promote}, and `serving/unknown-arm`. */
  promoteArm(context: Context, rollout: string, said: ArmCommand): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'promote', ...said });
  }

  /** Takes one of several candidates out. Errors: `serving/rollout-not-found`, `serving/unknown-arm`. */
  dropArm(context: Context, rollout: string, said: ArmCommand): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'drop', ...said });
  }

  /** Says yes to the next step. Errors: `serving/rollout-not-found`, `serving/not-active`. */
  approve(context: Context, rollout: string, reason: string): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'approve', reason });
  }

  /** Holds an active rollout where it is. Errors: `serving/rollout-not-found`, `serving/not-active`. */
  pause(context: Context, rollout: string, reason: string): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'pause', reason });
  }

  resume(context: Context, rollout: string, reason: string): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'resume', reason });
  }

  /** Ends an active or waiting rollout. Errors: `serving/rollout-not-found`, `serving/not-active`. */
  abort(context: Context, rollout: string, reason: string): Promise<RolloutView> {
    return this.#command(context, rollout, { kind: 'abort', reason });
  }

  /** Errors: `serving/not-found`, `serving/not-locked`. */
  async unlock(context: Context, name: string, reason: string): Promise<EndpointView> {
    await this.#deps.db.transact(context, async (tx) => {
      const { locked } = await requireEndpoint(tx.db, name);
      if (!locked) throw servingErrors['not-locked'](`endpoint '${name}' is not locked`);
      await updateEndpoint(tx.db, name, { lock: null });
      await changeRouting(tx);
      tx.audit(endpointSubject(name), { reason });
    });
    return this.endpoint(name);
  }

  /**
   * Replaces both revisions of a rollback by a third: unlocks the endpoint and starts a forced rollout of it, which is
   * watched against the former. Errors: `serving/rollout-not-found`, `serving/not-locked`, `serving/not-servable`.
   */
  async rollForward(
    context: Context,
    id: string,
    { version, reason }: { readonly version: number; readonly reason: string },
  ): Promise<RolloutView> {
    const { endpoint, model, candidate, state } = await requireRollout(this.#deps.db.reader, id);
    if (state.stage !== 'rolled-back') throw servingErrors['not-locked'](`rollout ${id} is ${state.stage}`);
    if (version === candidate) {
      throw servingErrors['not-servable'](`version ${version} is what rollout ${id} rolled back: name a third`);
    }
    await servableArm(this.#deps, model, version);
    await this.unlock(context, endpoint, `Rolled forward from ${id}: ${reason}`);
    return this.start(context, { endpoint, version, force: { reason } });
  }

  async rollouts(
    endpoint: string,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<RolloutView>> {
    const { reader } = this.#deps.db;
    const before = after === undefined ? undefined : Number.parseInt(after, 10) || undefined;
    const found = await listRollouts(reader, endpoint, { before, limit: limit + 1 });
    const items = await Promise.all(found.slice(0, limit).map((rollout) => rolloutView(reader, rollout)));
    return found.length > limit ? { items, next: String(found[limit - 1]?.number) } : { items };
  }

  /** The newest version that all requests were given to, and in event time when; `tx` is the caller's. */
  async lastPromotion(
    tx: Pick<Tx, 'db'>,
    endpoint: string,
  ): Promise<{ readonly model: string; readonly version: number; readonly at: number } | undefined> {
    const rollout = await promotedRollout(tx.db, endpoint);
    const decision = rollout && (await listDecisions(tx.db, rollout.id)).at(-1);
    return decision && { model: rollout.model, version: rollout.candidate, at: decision.at };
  }

  async rollout(id: string): Promise<RolloutView & { readonly blocks: BlockPoint[] }> {
    const { reader } = this.#deps.db;
    const view = await rolloutView(reader, await requireRollout(reader, id));
    return { ...view, blocks: await listBlocks(reader, id) };
  }

  /** The routing table, once it is another than `after` or after some 25 seconds. */
  async routing(after: number): Promise<RoutingTable> {
    const { db, system } = this.#deps;
    const deadlineMs = system.clock.monotonic() + ROUTING_WAIT_MS;
    for (;;) {
      const published = Promise.withResolvers<void>();
      const stop = db.onPublished(() => published.resolve());
      const waiting = new AbortController();
      try {
        const leftMs = deadlineMs - system.clock.monotonic();
        if ((await routingVersion(db.reader)) !== after || leftMs <= 0) return await routingTable(db.reader);
        await Promise.race([published.promise, sleep(system.clock, Math.min(leftMs, ROUTING_POLL_MS), waiting.signal)]);
      } finally {
        stop();
        waiting.abort();
      }
    }
  }

  /** A registered version as a gateway serves it. Errors: `serving/version-not-found`, `serving/not-servable`. */
  resolveVersion(model: string, version: number): Promise<Arm | TensorVersion> {
    return calledVersion(this.#deps, model, version);
  }

  /** Makes a gateway's local trip permanent. False when the rollout had ended, as after a second gateway's report. */
  reportGuardrail(context: Context, report: GuardrailReport): Promise<boolean> {
    const { rollout: id, endpoint, arm, reason, observed, limit, requests, error, odd, logs } = report;
    return this.#deps.db.react(context, async (tx) => {
      const rollout = await requireRollout(tx.db, id);
      if (rollout.endpoint !== endpoint) {
        throw servingErrors['rollout-not-found'](`rollout '${id}' is not of endpoint '${endpoint}'`);
      }
      if (!isActive(rollout.state.stage)) return false;
      const { stage } = rollout.state;
      if (!isInTraffic(rollout, arm)) return false;
      const data = { rollout: id, endpoint, stage, reason, observed, limit, requests, ...(arm ? { arm } : {}) };
      tx.emit(guardrailTripped.draft(endpointSubject(endpoint), data));
      const fact = { kind: 'guardrail', arm, reason, observed, limit, requests, error } as const;
      await this.#apply(tx, rollout, { fact, by: context.actor.id, odd, logs });
      return true;
    });
  }

  /** What a gateway has to check of a candidate. Errors: `serving/rollout-not-found`, `serving/not-active`. */
  async checkWork(id: string): Promise<CheckWork> {
    const { reader } = this.#deps.db;
    const { state, plan, model, candidate, endpoint } = await requireRollout(reader, id);
    const arm = await findRevision(reader, model, candidate);
    if (state.stage !== 'checking' || !arm) throw servingErrors['not-active'](`rollout ${id} is ${state.stage}`);
    const golden = (await listGolden(reader, endpoint)).map(({ name, inputs, expected, tensors }) => ({
      ...{ name, inputs, expected },
      ...(tensors ? { tensors } : {}),
    }));
    return { arm, golden, plan: { golden: plan.checks?.golden ?? null, load: plan.checks?.load ?? null } };
  }

  /** Acts on what a gateway found of the checks before traffic. False when they had ended. */
  reportChecks(context: Context, { rollout: id, results, source }: CheckReport): Promise<boolean> {
    return this.#deps.db.react(context, async (tx) => {
      const rollout = await requireRollout(tx.db, id);
      if (rollout.state.stage !== 'checking') return false;
      await this.#apply(tx, rollout, { fact: { kind: 'checks', results }, by: `gateway ${source}` });
      return true;
    });
  }

  /** Counts what a gateway saw in a block and acts on it. False when there is nothing left to count it for. */
  observe(context: Context, seen: Observation): Promise<boolean> {
    return this.#deps.db.react(context, async (tx) => {
      const rollout = await findRollout(tx.db, seen.rollout);
      if (!rollout?.state.live || !isActive(rollout.state.stage)) return false;
      if (isFuture(tx, seen) || !(await insertObservation(tx.db, { kind: 'traffic', ...seen }))) return false;
      await this.#apply(tx, rollout, { fact: { kind: 'observation', observation: seen }, by: 'system:serving' });
      return true;
    });
  }

  /** Errors: `serving/rollout-not-found`, `serving/no-metric`. */
  reportOutcomes(context: Context, id: string, seen: Outcomes): Promise<boolean> {
    return this.#deps.db.react(context, async (tx) => {
      const rollout = await requireRollout(tx.db, id);
      if (!rollout.plan.live?.metric) throw servingErrors['no-metric'](`rollout ${id} declares no metric`);
      refuseOtherArms(rollout, seen);
      if (!isActive(rollout.state.stage) || isFuture(tx, seen)) return false;
      if (!(await insertObservation(tx.db, { rollout: id, kind: 'outcomes', ...seen }))) return false;
      await this.#apply(tx, rollout, { fact: { kind: 'outcomes', outcomes: seen }, by: 'system:serving' });
      return true;
    });
  }

  /** Blocks of what gateways saw. Errors: `serving/rollout-not-found`. */
  async traffic(id: string): Promise<TrafficView> {
    const { reader } = this.#deps.db;
    const { plan, state } = await requireRollout(reader, id);
    if (!plan.live) return { blocks: [], points: [], complete: true };
    const observations = await listObservations(reader, id, BLOCKS_READ);
    const outcomes = plan.live.arms ? await listOutcomes(reader, id, BLOCKS_READ) : [];
    return trafficOf({ observations, outcomes }, plan.live, state.live?.startedAt ?? null);
  }

  /** What was written down at the rollback. Errors: `serving/rollout-not-found`, `serving/no-bundle`. */
  async bundle(id: string): Promise<{ readonly digest: string; readonly bundle: IncidentBundle }> {
    const { reader } = this.#deps.db;
    await requireRollout(reader, id);
    const found = await findBundle(reader, id);
    if (!found) throw servingErrors['no-bundle'](`rollout ${id} was not rolled back`);
    return { digest: found.digest, bundle: incidentBundle.parse(JSON.parse(found.bundle)) };
  }

  /** Counts an hour of paired requests and acts on what it shows. Blocks of rollouts that have ended change nothing. */
  async onBlock(tx: Tx, event: PlatformEvent): Promise<void> {
    const { rollout: id, block } = comparisonBlock.read(event);
    const rollout = await findRollout(tx.db, id);
    // Of several candidates none is scored beside, so a block has failures and no pairs.
    if (!rollout || rollout.plan.live?.arms || !isActive(rollout.state.stage)) return;
    const { start, requests, lossDifferenceSum: differenceSum } = block;
    if (rollout.state.lastBlock !== null && start <= rollout.state.lastBlock) return;
    const fact = { kind: 'block', start, requests, differenceSum } as const;
    const { state } = decideRollout(rollout, fact);
    await insertBlock(tx.db, id, {
      ...{ start, requests, lossDifferenceSum: differenceSum },
      ...{ currentLossSum: block.currentLossSum, candidateLossSum: block.candidateLossSum },
      stage: rollout.state.stage,
      figures: figuresOf(state.evidence, rollout.plan),
    });
    await this.#apply(tx, rollout, { fact, by: 'system:serving' });
  }

  /** Follows a changed declaration: looks its features up anew, and serves the champion there may already be. */
  async onEndpointApplied(context: Context, name: string): Promise<void> {
    const { db, versions } = this.#deps;
    const endpoint = await findEndpoint(db.reader, name);
    if (!endpoint) return;
    await refreshFeatures(this.#deps, name);
    await learnFallbacks(this.#deps, context, endpoint);
    if (endpoint.current) return;
    const { model, champion } = endpoint.spec;
    const found = await versions.versionByAlias(model, champion).catch(() => undefined);
    if (!found) return;
    const cause = { kind: 'event', id: `endpoint/${name}`, depth: 0 } as const;
    await this.challenge(context, { endpoint: name, version: found.version, cause });
  }

  /** Looks up anew what the endpoints that use a feature view read. */
  async onViewApplied(view: string): Promise<void> {
    for (const { name, spec } of await listEndpoints(this.#deps.db.reader)) {
      if (spec.features?.views.includes(view)) await refreshFeatures(this.#deps, name);
    }
  }

  async #command(
    context: Context,
    id: string,
    fact: RolloutFact & {
      readonly kind: 'promote' | 'abort' | 'approve' | 'pause' | 'resume' | 'drop';
      readonly reason: string;
    },
  ): Promise<RolloutView> {
    const { db } = this.#deps;
    await db.transact(context, async (tx) => {
      const rollout = await requireRollout(tx.db, id);
      const { stage } = rollout.state;
      const by = context.actor.id;
      if (stage === 'queued' && fact.kind === 'abort') {
        await end(tx, rollout, { stage: 'aborted', sentence: `Aborted by hand while it waited: ${fact.reason}.`, by });
      } else if (isActive(stage)) {
        if (fact.kind === 'promote' || fact.kind === 'drop') refuseUnknownArm(rollout, fact.arm);
        await this.#apply(tx, rollout, { fact, by });
        if (fact.kind !== 'promote' && fact.kind !== 'abort' && fact.kind !== 'drop') {
          tx.audit(endpointSubject(rollout.endpoint), { rollout: id, reason: fact.reason });
        }
      } else {
        throw servingErrors['not-active'](`rollout ${id} is ${stage}`);
      }
    });
    return rolloutView(db.reader, await requireRollout(db.reader, id));
  }

  async #apply(
    tx: Tx,
    rollout: Rollout,
    { fact, by, ...seen }: { readonly fact: RolloutFact; readonly by: string } & Pick<Change, 'odd' | 'logs'>,
  ): Promise<void> {
    const outcome = decideRollout(rollout, fact);
    const { spec } = await requireEndpoint(tx.db, rollout.endpoint);
    await applyOutcome(tx, { rollout, outcome, by, alias: spec.champion, ...seen });
  }
}

/** A block from a clock that runs ahead would make those of all others too late to count. */
function isFuture({ now }: Pick<Tx, 'now'>, { end }: { readonly end: number }): boolean {
  return end > now + AHEAD_MAX_MS;
}

async function requireRollout(db: Tx['db'] | ServingDeps['db']['reader'], id: string): Promise<Rollout> {
  const rollout = await findRollout(db, id);
  if (!rollout) throw servingErrors['rollout-not-found'](`there is no rollout '${id}'`);
  return rollout;
}
