import type { DomainDeps } from '#platform/domain';
import type { MonitorSpec } from '../contract.ts';
import type { Reference, Signature } from '../drift.ts';

/** One request as features are recomputed for it: its event time and its entity keys. */
export interface EntityRow {
  readonly at: number;
  readonly entities: Readonly<Record<string, string>>;
}

/** Features by name, one column a name with one value a row; NaN is missing. */
export interface RecomputedFeatures {
  readonly names: readonly string[];
  readonly values: readonly Float32Array[];
}

export interface MonitoringDeps extends DomainDeps {
  /** The inputs of a registered revision (`model@3`) in order; `undefined` for one that is not known. */
  signatureOf(revision: string): Promise<Signature | undefined>;
  /** The reference that was registered with a revision as evidence; `undefined` when none was. */
  profileOf(revision: string): Promise<Reference | undefined>;
  /** The features that an endpoint looks up, from the recorded data as it was known at each row's `at`. */
  recompute(endpoint: string, rows: readonly EntityRow[]): Promise<RecomputedFeatures>;
}

export interface Monitor {
  readonly name: string;
  readonly spec: MonitorSpec;
}

/** The declared monitors, of one endpoint or of all, by name. */
export async function monitorsOf({ resources }: MonitoringDeps, endpoint?: string): Promise<Monitor[]> {
  const found = await resources.list('monitor');
  return found
    .map(({ name, spec }) => ({ name, spec: spec as MonitorSpec }))
    .filter(({ spec }) => endpoint === undefined || spec.endpoint === endpoint);
}
