import type { Cause } from '#core/cause';
import type { Context, Database, Tx } from '#platform/db';
import type { Gate } from '#ports/gate';
import type { AliasMove, ModelVersion } from './contract.ts';
import { registryErrors } from './errors.ts';
import { aliasMoved } from './events.ts';
import { MODEL_ALIASES_MAX, modelSubject, versionSubject } from './model.ts';
import { requireLive, requireModel, requireVersion } from './require.ts';
import * as store from './store/aliases.ts';
import { evidenceSize, listEvidence } from './store/evidence.ts';

export interface AliasTarget {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
  readonly cause?: Cause | undefined;
  readonly reason?: string | undefined;
}

const GATE_ATTEMPTS_MAX = 3;

/**
 * Moves an alias to a version; where it points there already, nothing happens. A protected alias asks the gate, outside
 * the transaction because the gate records its decision in one of its own. The move commits only if the evidence is
 * still what the gate saw; otherwise it is asked again, and after three times the caller gets `registry/busy`.
 * Errors: `registry/gate-denied` with one field a missing item, `registry/version-deleted`, `registry/limit`.
 */
export async function moveThroughGate(
  { db, gate }: { readonly db: Database; readonly gate: Gate },
  context: Context,
  target: AliasTarget,
): Promise<ModelVersion> {
  for (let attempt = 0; attempt < GATE_ATTEMPTS_MAX; attempt++) {
    const { protectedAliases, aliases } = await requireModel(db.reader, target.model);
    const version = await requireLive(db.reader, target);
    if (aliases[target.alias] === target.version) return version;
    const seen = protectedAliases.includes(target.alias) ? await passGate(db, gate, { context, target }) : null;
    const moved = await db.react(context, async (tx) => {
      if (!(await stillAllowed(tx, target, seen))) return false;
      await move(tx, context, target);
      return true;
    });
    if (moved) return requireVersion(db.reader, target);
  }
  throw registryErrors.busy(`evidence of version ${target.version} kept arriving: try again`);
}

/** Removes an alias; tells whether it was there. */
export async function removeAlias(
  tx: Tx,
  context: Context,
  target: { readonly model: string; readonly alias: string; readonly reason: string },
): Promise<boolean> {
  await requireModel(tx.db, target.model);
  const from = await store.findAlias(tx.db, target.model, target.alias);
  if (from === undefined) return false;
  await record(tx, { ...target, from, to: null, by: context.actor.id, at: tx.now, cause: causeOf(context, undefined) });
  return true;
}

/** Asks the gate about the evidence as it is; returns how much of it there was. Throws `registry/gate-denied`. */
async function passGate(
  db: Database,
  gate: Gate,
  { context, target }: { readonly context: Context; readonly target: AliasTarget },
): Promise<number> {
  const { model, alias, version, cause } = target;
  const evidence = await listEvidence(db.reader, target);
  const verdict = await gate.decide({
    model,
    version,
    transition: 'alias',
    target: alias,
    actor: context.actor.id,
    cause,
    evidence,
  });
  if (verdict.allow) return evidence.length;
  const missing = verdict.missing.join('; ');
  throw registryErrors['gate-denied'](
    `alias '${alias}' of '${model}' cannot move to version ${version}: policy ${verdict.policy} misses ${missing}`,
    verdict.missing.map((message) => ({ path: 'gate', message })),
  );
}

/** Whether what was found out before the transaction holds in it. `seen` is null when the gate was not asked. */
async function stillAllowed(tx: Tx, target: AliasTarget, seen: number | null): Promise<boolean> {
  await requireLive(tx.db, target);
  if (seen !== null) return (await evidenceSize(tx.db, target)).count === seen;
  return !(await requireModel(tx.db, target.model)).protectedAliases.includes(target.alias);
}

async function move(tx: Tx, context: Context, target: AliasTarget): Promise<void> {
  const { model, alias, version: to, reason = '' } = target;
  const { aliases } = await requireModel(tx.db, model);
  const from = aliases[alias] ?? null;
  if (from === to) return;
  if (from === null && Object.keys(aliases).length >= MODEL_ALIASES_MAX) {
    throw registryErrors.limit(`model '${model}' has ${MODEL_ALIASES_MAX} aliases, which is the limit`);
  }
  const cause = causeOf(context, target.cause);
  await record(tx, { model, alias, from, to, by: context.actor.id, at: tx.now, reason, cause });
}

async function record(tx: Tx, done: Omit<AliasMove, 'cause'> & { readonly cause: Cause }): Promise<void> {
  const { model, alias, from, to, reason, cause } = done;
  await store.moveAlias(tx.db, done);
  const detail = { alias, from, to, reason };
  tx.audit(modelSubject(model), detail);
  for (const version of [from, to]) if (version !== null) tx.audit(versionSubject(model, version), detail);
  tx.emit(aliasMoved.draft(modelSubject(model), { model, alias, from, to, cause }));
}

function causeOf(context: Context, cause: Cause | undefined): Cause {
  return cause ?? { kind: 'user', id: context.actor.id, depth: 0 };
}
