import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import type { SharedState } from '#ports/shared-state';
import type { ConcurrencySpec, ProtectionSpec } from '../../protection-spec.ts';
import type { RoutedEndpoint } from '../../routing.ts';
import { gatewayErrors } from '../errors.ts';
import type { LiveArm } from '../live-endpoint.ts';
import type { Caller } from './access/caller.ts';
import { AnswerCache } from './cache/answer-cache.ts';
import { Lifecycle } from './lifecycle.ts';
import { type Demand, RateLimits } from './limits/rate-limits.ts';
import { Bulkhead } from './load/bulkhead.ts';
import { CircuitBreaker } from './load/circuit-breaker.ts';

export interface ProtectionDeps {
  readonly clock: Clock;
  readonly shared: SharedState | undefined;
  /** Where the processes of this gateway count together, if gateways share nothing. */
  readonly counts?: Pick<SharedState, 'takeTokens'> | undefined;
  /** Processes of this gateway, of which each bears its part of the requests in work. */
  readonly processes?: number | undefined;
  readonly onSharedDown: () => void;
  readonly onLook: (outcome: 'hit' | 'miss') => void;
}

/** Told once when a request that was let in is done with, and whether it was answered. */
export type Leave = (answered: boolean) => void;

export const leaveNothing: Leave = () => undefined;
/** Revisions of one endpoint whose failures are counted: more than it ever routes to. */
const BREAKERS_MAX = 20;

/** What stands before one endpoint, with what it has counted. Made when a routing table comes into force. */
export class EndpointProtection {
  readonly #name: string;
  readonly #spec: ProtectionSpec;
  readonly #callers: ReadonlySet<string> | undefined;
  readonly #limits: RateLimits | undefined;
  /** Absent for an endpoint that stays. */
  readonly lifecycle: Lifecycle | undefined;
  /** Absent where answers are not kept. */
  readonly cache: AnswerCache | undefined;
  readonly #clock: Clock;
  readonly #bulkhead: Bulkhead | undefined;
  readonly #breakers = new BoundedCache<CircuitBreaker>(BREAKERS_MAX);

  constructor(name: string, spec: ProtectionSpec, deps: ProtectionDeps) {
    this.#name = name;
    this.#spec = spec;
    this.#callers = spec.callers ? new Set(spec.callers) : undefined;
    const { limits, whenSharedDown, concurrency, cache, lifecycle } = spec;
    this.#clock = deps.clock;
    this.lifecycle = lifecycle ? new Lifecycle(name, lifecycle) : undefined;
    this.cache = cache ? new AnswerCache({ ...cache, ...deps }) : undefined;
    this.#bulkhead = concurrency ? new Bulkhead(name, partOf(concurrency, deps.processes), deps.clock) : undefined;
    const shared = deps.shared ?? deps.counts;
    const counting = { endpoint: name, limits, whenSharedDown, ...deps, shared };
    this.#limits = limits.length > 0 ? new RateLimits(counting) : undefined;
  }

  /** Whether it stands for this declaration, so that its counts go on. */
  isOf(spec: ProtectionSpec): boolean {
    return JSON.stringify(spec) === JSON.stringify(this.#spec);
  }

  /**
   * Lets a request in, without a promise where it can.
   * Errors: `gateway/gone`, `gateway/forbidden`, `gateway/overloaded` and those of its limits.
   */
  admit(demand: Demand): Leave | Promise<Leave> {
    this.#check(demand.caller);
    const leave = this.#bulkhead?.enter() ?? leaveNothing;
    try {
      const counted = this.#limits?.admit(demand);
      if (!counted) return leave;
      return counted.then(
        () => leave,
        (error) => {
          leave(false);
          throw error;
        },
      );
    } catch (error) {
      leave(false);
      throw error;
    }
  }

  /** Refuses who would not be let in whatever the body says; counts nothing. Errors: those of {@link admit}. */
  glance(caller: Caller | undefined): void {
    this.#check(caller);
    this.#limits?.glance(caller);
  }

  #check(caller: Caller | undefined): void {
    this.lifecycle?.check(this.#clock.now());
    if (this.#callers && !mayCall(this.#callers, caller)) {
      throw gatewayErrors.forbidden(`${caller?.id ?? 'a caller without credentials'} may not call '${this.#name}'`);
    }
  }

  /** What counts the failures of a revision; undefined where none is declared. */
  breakerOf({ arm }: LiveArm): CircuitBreaker | undefined {
    const { breaker: spec } = this.#spec;
    if (!spec) return undefined;
    const found = this.#breakers.get(arm.revision) ?? new CircuitBreaker(spec);
    this.#breakers.set(arm.revision, found);
    return found;
  }
}

/** Connections are spread evenly, so each process bears an equal part, and at least one request. */
function partOf(concurrency: ConcurrencySpec, processes = 1): ConcurrencySpec {
  return { ...concurrency, max: Math.ceil(concurrency.max / processes) };
}

function mayCall(allowed: ReadonlySet<string>, caller: Caller | undefined): boolean {
  return caller !== undefined && (allowed.has(caller.id) || caller.groups.some((group) => allowed.has(group)));
}

/** What protects an endpoint as it is routed; that of before when nothing has changed. */
export function protectionOf(
  { name, protection: spec }: RoutedEndpoint,
  previous: EndpointProtection | undefined,
  deps: ProtectionDeps,
): EndpointProtection | undefined {
  if (!spec) return undefined;
  return previous?.isOf(spec) ? previous : new EndpointProtection(name, spec, deps);
}
