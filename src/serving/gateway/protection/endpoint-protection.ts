import type { Clock } from '#core/clock';
import type { SharedState } from '#ports/shared-state';
import type { ProtectionSpec } from '../../protection-spec.ts';
import type { RoutedEndpoint } from '../../routing.ts';
import { gatewayErrors } from '../errors.ts';
import type { Caller } from './access/caller.ts';
import { type Demand, RateLimits } from './limits/rate-limits.ts';

export interface ProtectionDeps {
  readonly clock: Clock;
  readonly shared: SharedState | undefined;
  readonly onSharedDown: () => void;
}

/** What stands before one endpoint, with what it has counted. Made when a routing table comes into force. */
export class EndpointProtection {
  readonly #name: string;
  readonly #spec: ProtectionSpec;
  readonly #callers: ReadonlySet<string> | undefined;
  readonly #limits: RateLimits | undefined;

  constructor(name: string, spec: ProtectionSpec, deps: ProtectionDeps) {
    this.#name = name;
    this.#spec = spec;
    this.#callers = spec.callers ? new Set(spec.callers) : undefined;
    const { limits, whenSharedDown } = spec;
    this.#limits = limits.length > 0 ? new RateLimits({ endpoint: name, limits, whenSharedDown, ...deps }) : undefined;
  }

  /** Whether it stands for this declaration, so that its counts go on. */
  isOf(spec: ProtectionSpec): boolean {
    return JSON.stringify(spec) === JSON.stringify(this.#spec);
  }

  /** Lets a request pass, without a promise where it can. Errors: `gateway/forbidden` and those of its limits. */
  admit(demand: Demand): undefined | Promise<void> {
    if (this.#callers && !mayCall(this.#callers, demand.caller)) {
      throw gatewayErrors.forbidden(
        `${demand.caller?.id ?? 'a caller without credentials'} may not call '${this.#name}'`,
      );
    }
    return this.#limits?.admit(demand);
  }
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
