import { type Clock, sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Digest } from '#core/hash';
import type { Logger } from '#platform/observe';
import type { GoldenRequest } from '../checks/golden-request.ts';
import type { Arm, RoutedEndpoint, RoutingTable } from '../routing.ts';
import { gatewayErrors } from './errors.ts';
import {
  fileOf,
  type LiveArm,
  type LiveEndpoint,
  liveArm,
  liveEndpoint,
  withoutArm,
  withoutCandidate,
} from './live-endpoint.ts';
import { type ProtectionDeps, protectionOf } from './protection/endpoint-protection.ts';
import { standInsOf } from './protection/fallback/stand-ins.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import type { Prefetch } from './runtime/prefetch.ts';
import { warmWithExamples } from './warm-with-examples.ts';

export interface RouterOptions {
  readonly cache: ModelCache;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly protection: ProtectionDeps;
  /** Requests as an endpoint gets them, with which models are warmed; absent warms them with rows of zeros only. */
  readonly examples?: ((endpoint: string) => Promise<readonly GoldenRequest[]>) | undefined;
  /** Fetches files of models that are not loaded; absent leaves that to the first request. */
  readonly prefetch?: Pick<Prefetch, 'want'> | undefined;
}

/** A model that takes longer, as a process that never gets ready does, must not keep the others from their table. */
const WARM_WAIT_MS = 10_000;

/** Versions beside the routing table that stay known, so that scoring one directly asks the control plane once. */
const RESOLVED_MAX = 200;

/**
 * The routing table in force. It is swapped as a whole, after the models of the new one are warm; only a tripped
 * guardrail takes a candidate out at once.
 */
export class Router {
  readonly #options: RouterOptions;
  /** By rollout, the names of what was taken out. */
  readonly #tripped = new Map<string, Set<string>>();
  readonly #resolved = new Map<string, LiveArm>();
  #endpoints: ReadonlyMap<string, LiveEndpoint> = new Map();
  #arms: ReadonlyMap<string, LiveArm> = new Map();
  #version = -1;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** The version of the table; -1 while there is none. */
  get version(): number {
    return this.#version;
  }

  get endpoints(): Iterable<LiveEndpoint> {
    return this.#endpoints.values();
  }

  find(name: string): LiveEndpoint | undefined {
    return this.#endpoints.get(name);
  }

  /** The name of the endpoint where there is one only. */
  get only(): string | undefined {
    const [name] = this.#endpoints.size === 1 ? this.#endpoints.keys() : [];
    return name;
  }

  /** The endpoint that a name means to a tenant: its own, or the one that all share. */
  nameFor(name: string, tenant: string | undefined): string {
    if (tenant === undefined) return name;
    const own = `${tenant}.${name}`;
    return this.#endpoints.has(own) ? own : name;
  }

  /** Throws `gateway/unknown-endpoint`. */
  endpoint(name: string): LiveEndpoint {
    const endpoint = this.#endpoints.get(name);
    if (endpoint) return endpoint;
    throw gatewayErrors['unknown-endpoint'](`there is no endpoint '${name.slice(0, 100)}' with a revision to answer`);
  }

  /** A version that some endpoint routes to, or that was {@link remember remembered}. */
  arm(revision: string): LiveArm | undefined {
    return this.#arms.get(revision) ?? this.#resolved.get(revision);
  }

  remember(arm: Arm): LiveArm {
    const live = liveArm(arm);
    this.#resolved.set(arm.revision, live);
    const oldest = this.#resolved.keys().next().value;
    if (this.#resolved.size > RESOLVED_MAX && oldest !== undefined) this.#resolved.delete(oldest);
    return live;
  }

  /**
   * Warms what the table needs, for at most {@link WARM_WAIT_MS}, and puts it into force. A model that is not loaded
   * then fails its own requests only.
   */
  async apply(table: RoutingTable): Promise<void> {
    const { cache, logger, clock, examples, prefetch, protection: deps } = this.#options;
    const arms = Object.values(table.endpoints).flatMap(armsOf);
    const pinned = Object.values(table.endpoints).filter((routed) => routed.pinned);
    cache.pin(
      'endpoints',
      pinned.flatMap(armsOf).map((arm) => fileOf(liveArm(arm))),
    );
    const isNew = ({ digest, revision }: Arm): boolean => this.#arms.get(revision)?.arm.digest !== digest;
    const warmed = arms.filter(isNew);
    const loading = cache.warm(
      warmed.map((arm) => fileOf(liveArm(arm))),
      (i, error) => logger.error({ revision: warmed[i]?.revision }, `cannot be warmed: ${messageOf(error)}`),
    );
    const warming = examples
      ? loading.then(() =>
          warmWithExamples(Object.values(table.endpoints), ({ arm }) => isNew(arm), { cache, clock, examples }),
        )
      : loading;
    const waited = new AbortController();
    await Promise.race([warming, sleep(clock, WARM_WAIT_MS, waited.signal)]);
    waited.abort();
    const rollouts = new Set(Object.values(table.endpoints).map(({ rollout }) => rollout));
    for (const rollout of this.#tripped.keys()) if (!rollouts.has(rollout)) this.#tripped.delete(rollout);
    const endpoints = Object.entries(table.endpoints).map(([name, routed]): [string, LiveEndpoint] => {
      const previous = this.#endpoints.get(name);
      const protection = protectionOf(routed, previous?.protection, deps);
      const live = {
        ...liveEndpoint(routed, clock.now(), previous),
        ...(protection ? { protection } : {}),
        ...this.#standIns(routed),
      };
      return [name, this.#withoutTripped(live)];
    });
    this.#endpoints = new Map(endpoints);
    this.#arms = new Map(arms.map((arm) => [arm.revision, liveArm(arm)]));
    this.#version = table.version;
    void prefetch?.want(arms.filter((arm) => cache.bytesOf(fileOf(liveArm(arm))) === undefined).flatMap(filesOf));
    logger.info({ version: table.version, endpoints: endpoints.length }, 'routing table in force');
  }

  #standIns({ name, current, fallbacks }: RoutedEndpoint): Pick<LiveEndpoint, 'standIns'> {
    if (!fallbacks) return {};
    const standIns = standInsOf(fallbacks, liveArm(current), (fallback, why) => {
      this.#options.logger.warn({ endpoint: name, fallback }, `cannot stand in: ${fallback} ${why}`);
    });
    return standIns.length > 0 ? { standIns } : {};
  }

  /** Takes a candidate of a rollout out of traffic at once; of several, `arm`. False when that was already done. */
  trip(endpoint: LiveEndpoint, arm = 'candidate'): boolean {
    const { rollout, name } = endpoint.routed;
    const tripped = rollout === undefined ? undefined : (this.#tripped.get(rollout) ?? new Set());
    if (rollout === undefined || tripped === undefined || tripped.has(arm)) return false;
    this.#tripped.set(rollout, tripped.add(arm));
    const live = this.#endpoints.get(name);
    if (live?.routed.rollout === rollout) {
      this.#endpoints = new Map(this.#endpoints).set(name, this.#withoutTripped(live));
    }
    return true;
  }

  #withoutTripped(live: LiveEndpoint): LiveEndpoint {
    const tripped = this.#tripped.get(live.routed.rollout ?? '');
    if (!tripped) return live;
    if (!live.arms) return withoutCandidate(live);
    const now = this.#options.clock.now();
    return [...tripped].reduce((left, arm) => (left.arms?.rivals.has(arm) ? withoutArm(left, arm, now) : left), live);
  }
}

/** Everything that may answer for an endpoint. */
function armsOf({ current, candidate, arms = [], fallbacks = [] }: RoutedEndpoint): readonly Arm[] {
  return [
    current,
    ...(candidate ? [candidate] : []),
    ...arms,
    ...fallbacks.flatMap((fallback) => ('arm' in fallback ? [fallback.arm] : [])),
  ];
}

/** Everything that has to be on this machine before a version answers. */
function filesOf({ digest, parts = {}, tensors }: Arm): readonly Digest[] {
  return [digest, ...Object.values(parts), ...(tensors?.beside ?? []).map((file) => file.digest)];
}
