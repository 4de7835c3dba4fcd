import type { LiveEndpoint } from '../live-endpoint.ts';
import type { Router } from '../router.ts';
import { type EndpointProtection, type Leave, leaveNothing } from './endpoint-protection.ts';
import type { Demand } from './limits/rate-limits.ts';

/**
 * Stands before models that are addressed without their endpoint: a version of a registered model, or a model of the
 * repository. Such a request is to be let in by one of the endpoints that bear the name or answer with a version of the
 * model, and counts there; one of them without protection lets everybody in. A model of no endpoint is open to whoever
 * may call the gateway.
 */
export class DirectAccess {
  readonly #router: Pick<Router, 'endpoints' | 'version'>;
  /** By model, of the table with this version. */
  #protections: ReadonlyMap<string, readonly (EndpointProtection | undefined)[]> = new Map();
  #version = -1;

  constructor(router: Pick<Router, 'endpoints' | 'version'>) {
    this.#router = router;
  }

  /** Errors: those of {@link EndpointProtection.admit}. */
  async admit(model: string, demand: Demand): Promise<Leave> {
    const protections = this.#of(model);
    let refusal: unknown;
    for (const protection of protections) {
      if (!protection) return leaveNothing;
      try {
        return await protection.admit(demand);
      } catch (error) {
        refusal = error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return leaveNothing;
  }

  #of(model: string): readonly (EndpointProtection | undefined)[] {
    if (this.#version !== this.#router.version) {
      this.#version = this.#router.version;
      this.#protections = byModel(this.#router.endpoints);
    }
    return this.#protections.get(model) ?? [];
  }
}

function byModel(endpoints: Iterable<LiveEndpoint>): ReadonlyMap<string, readonly (EndpointProtection | undefined)[]> {
  const found = new Map<string, (EndpointProtection | undefined)[]>();
  for (const { routed, current, candidate, protection } of endpoints) {
    const names = [routed.name, current.arm.model, ...(candidate ? [candidate.arm.model] : [])];
    for (const name of new Set(names)) {
      const known = found.get(name);
      // Those without protection first: nothing is counted in vain.
      if (!known) found.set(name, [protection]);
      else if (protection) known.push(protection);
      else known.unshift(undefined);
    }
  }
  return found;
}
