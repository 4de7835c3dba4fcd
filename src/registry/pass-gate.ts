import type { Cause } from '#core/cause';
import type { Context, Database } from '#platform/db';
import { registryErrors } from './errors.ts';
import type { RegistryGate, RegistryGateRequest } from './gate.ts';
import { requireVersion } from './require.ts';
import { evidenceSize, listEvidence } from './store/evidence.ts';
import type { Db, VersionKey } from './store/tables.ts';

export interface GateDeps {
  readonly db: Database;
  readonly gate: RegistryGate;
}

export interface Passage extends VersionKey {
  readonly transition: RegistryGateRequest['transition'];
  readonly target: string;
  readonly cause?: Cause | undefined;
  /** The model under whose policies it is judged, where that is not the version's own name now. */
  readonly judgedAs?: string;
}

/** What a decision of the gate rests on. It holds as long as no other evidence has arrived. */
export interface Passed {
  readonly key: VersionKey;
  readonly evidence: number;
}

/** How often a change is tried again because evidence arrived while the gate decided. */
export const GATE_ATTEMPTS_MAX = 3;

/**
 * Asks the gate about the evidence as it is, outside any transaction because the gate records its decision in one of
 * its own. Throws `registry/gate-denied` with one field a missing item, and all of them in its text.
 */
export async function passGate({ db, gate }: GateDeps, context: Context, passage: Passage): Promise<Passed> {
  const { model, version, transition, target, cause, judgedAs = model } = passage;
  const evidence = await listEvidence(db.reader, { model, version });
  const actor = context.actor.id;
  const { digest } = await requireVersion(db.reader, { model, version });
  const verdict = await gate.decide({ model: judgedAs, version, transition, target, actor, cause, evidence, digest });
  if (verdict.allow) return { key: { model, version }, evidence: evidence.length };
  const what = transition === 'stage' ? `reach the stage ${target}` : `take the alias '${target}'`;
  throw registryErrors['gate-denied'](
    `version ${version} of '${judgedAs}' cannot ${what}: policy ${verdict.policy} misses ${verdict.missing.join('; ')}`,
    verdict.missing.map((message) => ({ path: 'gate', message })),
  );
}

/** Whether the gate's decision still rests on all the evidence there is. */
export async function stillPasses(db: Db, passed: Passed): Promise<boolean> {
  return (await evidenceSize(db, passed.key)).count === passed.evidence;
}

export function busy({ version }: VersionKey): Error {
  return registryErrors.busy(`evidence of version ${version} kept arriving: try again`);
}
