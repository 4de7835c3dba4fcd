import type { Cause } from '#core/cause';
import type { Context, Tx } from '#platform/db';
import { registryErrors } from './errors.ts';
import { aliasMoved } from './events.ts';
import { MODEL_ALIASES_MAX, modelSubject, versionSubject } from './model.ts';
import { busy, GATE_ATTEMPTS_MAX, type GateDeps, type Passed, passGate, stillPasses } from './pass-gate.ts';
import { requireLive, requireModel, requireReady, requireVersion } from './require.ts';
import type { AliasMove, ModelVersion } from './shapes.ts';
import * as store from './store/aliases.ts';

export interface AliasTarget {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
  readonly cause?: Cause | undefined;
  readonly reason?: string | undefined;
}

/**
 * Moves an alias to a version; where it points there already, nothing happens. A protected alias asks the gate, outside
 * the transaction because the gate records its decision in one of its own. The move commits only if the evidence is
 * still what the gate saw; otherwise it is asked again, and after three times the caller gets `registry/busy`.
 * Errors: `registry/gate-denied` with one field a missing item, `registry/version-deleted`, `registry/limit`.
 */
export async function moveThroughGate(deps: GateDeps, context: Context, target: AliasTarget): Promise<ModelVersion> {
  const { db } = deps;
  for (let attempt = 0; attempt < GATE_ATTEMPTS_MAX; attempt++) {
    const { protectedAliases, aliases } = await requireModel(db.reader, target.model);
    const version = await requireLive(db.reader, target);
    if (aliases[target.alias] === target.version) return version;
    const passed = protectedAliases.includes(target.alias) ? await pass(deps, context, target) : null;
    const moved = await db.react(context, async (tx) => {
      if (!(await stillAllowed(tx, target, passed))) return false;
      await moveFreely(tx, context, target);
      return true;
    });
    if (moved) return requireVersion(db.reader, target);
  }
  throw busy(target);
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

async function pass(deps: GateDeps, context: Context, target: AliasTarget): Promise<Passed> {
  await requireReady(deps.db.reader, target);
  return passGate(deps, context, { ...target, transition: 'alias', target: target.alias });
}

/** Whether what was found out before the transaction holds in it. `passed` is null when the gate was not asked. */
async function stillAllowed(tx: Tx, target: AliasTarget, passed: Passed | null): Promise<boolean> {
  await requireLive(tx.db, target);
  if (passed !== null) return stillPasses(tx.db, passed);
  return !(await requireModel(tx.db, target.model)).protectedAliases.includes(target.alias);
}

/** Moves an alias without asking the gate. */
export async function moveFreely(tx: Tx, context: Context, target: AliasTarget): Promise<void> {
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
