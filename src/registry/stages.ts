import type { Cause } from '#core/cause';
import type { Context, Tx } from '#platform/db';
import { stageMoved } from './events.ts';
import { arrivalStatus, modelSubject, OWN_TAGS, PROTECTED_STAGE, versionSubject } from './model.ts';
import { busy, GATE_ATTEMPTS_MAX, type GateDeps, passGate, stillPasses } from './pass-gate.ts';
import { requireLive, requireReady, requireVersion } from './require.ts';
import type { ModelVersion, Stage, StageStatus } from './shapes.ts';
import { updateModel } from './store/models.ts';
import { appendMove } from './store/moves.ts';
import { stageMoves } from './store/stages.ts';
import type { VersionKey } from './store/tables.ts';
import { listVersions, putTags, updateVersion } from './store/versions.ts';

export interface StageTarget extends VersionKey {
  readonly stage: Stage;
  /** What the stage begins with, unless told; a version that is there already keeps its own. */
  readonly status?: StageStatus | undefined;
  readonly reason?: string;
  readonly cause?: Cause | undefined;
  /** Archives what else is in these stages, in the same transaction. */
  readonly archive?: readonly Stage[];
}

const ARCHIVED_AT_ONCE = 1_000;

/**
 * Moves a version to a stage; where it is there already with that status, nothing happens. `Production` asks the gate,
 * and the move commits only if the evidence is still what the gate saw; after three times the caller gets
 * `registry/busy`. Errors: `registry/gate-denied`, `registry/not-ready`, `registry/version-deleted`.
 */
export async function moveToStage(deps: GateDeps, context: Context, target: StageTarget): Promise<ModelVersion> {
  const { db } = deps;
  for (let attempt = 0; attempt < GATE_ATTEMPTS_MAX; attempt++) {
    const version = await requireLive(db.reader, target);
    const enters = target.stage === PROTECTED_STAGE && version.stage !== PROTECTED_STAGE;
    if (enters) await requireReady(db.reader, target);
    const passage = { ...target, transition: 'stage', target: target.stage } as const;
    const passed = enters ? await passGate(deps, context, passage) : null;
    const moved = await db.react(context, async (tx) => {
      const now = await requireLive(tx.db, target);
      if (passed === null && target.stage === PROTECTED_STAGE && now.stage !== PROTECTED_STAGE) return false;
      if (passed !== null && !(await stillPasses(tx.db, passed))) return false;
      await archiveOthers(tx, context, target);
      await moveWithoutGate(tx, context, now, target);
      return true;
    });
    if (moved) return requireVersion(db.reader, target);
  }
  throw busy(target);
}

async function archiveOthers(tx: Tx, context: Context, target: StageTarget): Promise<void> {
  const { model } = target;
  for (const stage of target.archive ?? []) {
    const filter = { deleted: false, stage, limit: ARCHIVED_AT_ONCE };
    for (const other of await listVersions(tx.db, model, filter)) {
      if (other.version === target.version) continue;
      const reason = `version ${target.version} takes its place`;
      await moveWithoutGate(tx, context, other, { model, version: other.version, stage: 'Archived', reason });
    }
  }
}

/** Moves a version without asking the gate. */
export async function moveWithoutGate(
  tx: Tx,
  context: Context,
  version: ModelVersion,
  target: StageTarget,
): Promise<void> {
  const { stage, reason = '' } = target;
  const from = { stage: version.stage, status: version.stageStatus };
  const stays = version.stage === stage ? version.stageStatus : arrivalStatus(stage);
  const to = { stage, status: target.status ?? stays };
  if (from.stage === to.stage && from.status === to.status) return;
  const key = { model: version.model, version: version.version };
  const by = context.actor.id;
  await updateVersion(tx.db, key, { stage: to }, tx.now);
  await putTags(tx.db, key, stageTags(to));
  await updateModel(tx.db, key.model, {}, tx.now);
  await appendMove(tx.db, stageMoves, { ...key, from, to, by, at: tx.now, reason });
  const subject = versionSubject(key.model, key.version);
  tx.audit(modelSubject(key.model), { version: key.version, from, to, reason });
  tx.audit(subject, { from, to, reason });
  tx.emit(stageMoved.draft(subject, { ...key, from, to, by, reason }));
}

/** How MLflow's clients, which know four stages and no status, can read both. */
export function stageTags({ stage, status }: { readonly stage: Stage; readonly status: StageStatus }) {
  return { [`${OWN_TAGS}stage`]: stage, [`${OWN_TAGS}stage_status`]: status };
}
