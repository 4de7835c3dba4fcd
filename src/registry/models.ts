import type { Context, Tx } from '#platform/db';
import { removeAlias } from './aliases.ts';
import { registryErrors } from './errors.ts';
import { modelChanged } from './events.ts';
import {
  heldBy,
  MODEL_TAGS_MAX,
  modelKey,
  modelSubject,
  OWN_TAGS,
  PROTECTED_ALIASES,
  PROTECTED_STAGE,
  partsOfKey,
  versionSubject,
} from './model.ts';
import {
  busy,
  GATE_ATTEMPTS_MAX,
  type GateDeps,
  type Passage,
  type Passed,
  passGate,
  stillPasses,
} from './pass-gate.ts';
import { requireModel } from './require.ts';
import type { RegisteredModel } from './shapes.ts';
import * as store from './store/models.ts';
import type { Db } from './store/tables.ts';
import { listVersions, updateVersion } from './store/versions.ts';

/** How many versions are deleted or judged at once with their model. */
const VERSIONS_AT_ONCE = 1_000;

export interface ModelDraft {
  readonly model: string;
  readonly description?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * Creates a model, or brings a deleted one back: it goes on with its version numbers, and what was protected stays so.
 * Errors: `registry/model-exists`, `registry/limit`.
 */
export async function createModel(tx: Tx, context: Context, draft: ModelDraft): Promise<void> {
  const { model, description = '', tags = {} } = draft;
  refuseOwnTags(tags);
  const known = await store.findModel(tx.db, model);
  const created = { createdAt: tx.now, createdBy: context.actor.id };
  if (known?.deletedAt === null) throw registryErrors['model-exists'](`there is a registered model named '${model}'`);
  if (known) {
    const back = { ...created, description, deletedAt: null, renamedTo: null };
    await store.updateModel(tx.db, model, back, tx.now);
  } else {
    const fresh = { name: model, description, protectedAliases: PROTECTED_ALIASES, lastVersion: 0 };
    await store.insertModel(tx.db, { ...fresh, ...created });
  }
  await putTags(tx, model, tags);
  tx.audit(modelSubject(model), { created: true, again: known !== undefined, tags });
  tx.emit(modelChanged.draft(modelSubject(model), { model, change: 'created', tags, to: null }));
}

/** Changes the description or the tags; a tag whose value is null is removed. Errors: `registry/limit`. */
export async function describeModel(
  tx: Tx,
  model: string,
  change: {
    readonly description?: string | undefined;
    readonly tags?: Readonly<Record<string, string | null>> | undefined;
  },
): Promise<void> {
  const { description, tags = {} } = change;
  refuseOwnTags(tags);
  await requireModel(tx.db, model);
  await store.updateModel(tx.db, model, { description }, tx.now);
  await putTags(tx, model, tags);
  const described = description === undefined ? {} : { description: description.slice(0, 200) };
  tx.audit(modelSubject(model), { ...described, tags });
  tx.emit(modelChanged.draft(modelSubject(model), { model, change: 'described', tags, to: null }));
}

/** Deletes a model with its versions and aliases: tombstones that keep their numbers, evidence and history. */
export async function deleteModel(tx: Tx, context: Context, model: string, reason: string): Promise<void> {
  const { aliases, tags } = await requireModel(tx.db, model);
  for (const alias of Object.keys(aliases)) await removeAlias(tx, context, { model, alias, reason });
  for (;;) {
    const live = await listVersions(tx.db, model, { deleted: false, limit: VERSIONS_AT_ONCE });
    if (live.length === 0) break;
    for (const { version } of live) {
      await updateVersion(tx.db, { model, version }, { deletedAt: tx.now }, tx.now);
      tx.audit(versionSubject(model, version), { deleted: true, withModel: true, reason });
    }
  }
  const gone = Object.fromEntries(Object.keys(tags).map((key) => [key, null]));
  await store.putModelTags(tx.db, model, gone);
  await store.updateModel(tx.db, model, { deletedAt: tx.now }, tx.now);
  tx.audit(modelSubject(model), { deleted: true, reason, tags });
  tx.emit(modelChanged.draft(modelSubject(model), { model, change: 'deleted', tags: {}, to: null }));
}

/**
 * Renames a model with everything in it. What stands in protected places would stand there under the new name too, so
 * the gate is asked about each as if it moved there; otherwise a rename would be a way around the policies of a model.
 * The former name stays as a tombstone whose numbers are not given again. Returns the new key.
 * Errors: `registry/model-exists` also for a name whose deleted versions have numbers of their own.
 */
export async function renameModel(deps: GateDeps, context: Context, model: string, name: string): Promise<string> {
  const to = modelKey(partsOfKey(model).project, name);
  if (to === model) throw registryErrors['model-exists'](`the model is named '${model}' already`);
  for (let attempt = 0; attempt < GATE_ATTEMPTS_MAX; attempt++) {
    const before = await requireModel(deps.db.reader, model);
    await refuseTaken(deps.db.reader, to);
    const places = await protectedPlaces(deps, before);
    const passed: Passed[] = [];
    for (const place of places) passed.push(await passGate(deps, context, { ...place, judgedAs: to }));
    const renamed = await deps.db.react(context, async (tx) => {
      const now = await requireModel(tx.db, model);
      if (JSON.stringify(now.aliases) !== JSON.stringify(before.aliases)) return false;
      for (const one of passed) if (!(await stillPasses(tx.db, one))) return false;
      await refuseTaken(tx.db, to);
      await moveEverything(tx, now, to);
      return true;
    });
    if (renamed) return to;
  }
  throw busy({ model, version: 0 });
}

async function moveEverything(tx: Tx, from: RegisteredModel, to: string): Promise<void> {
  const tombstone = await store.findModel(tx.db, to);
  const lastVersion = Math.max(from.lastVersion, tombstone?.lastVersion ?? 0);
  const { description, protectedAliases, createdAt, createdBy, author } = from;
  const kept = { description, protectedAliases, lastVersion, createdAt, createdBy, author };
  if (tombstone) await store.updateModel(tx.db, to, { ...kept, deletedAt: null, renamedTo: null }, tx.now);
  else await store.insertModel(tx.db, { name: to, ...kept });
  await store.moveContents(tx.db, from.name, to);
  await store.updateModel(tx.db, to, {}, tx.now);
  await store.updateModel(tx.db, from.name, { deletedAt: tx.now, renamedTo: to }, tx.now);
  tx.audit(modelSubject(from.name), { renamedTo: to });
  tx.audit(modelSubject(to), { renamedFrom: from.name });
  tx.emit(modelChanged.draft(modelSubject(from.name), { model: from.name, change: 'renamed', tags: {}, to }));
}

async function refuseTaken(db: Db, to: string): Promise<void> {
  const known = await store.findModel(db, to);
  if (!known) return;
  if (known.deletedAt === null) throw registryErrors['model-exists'](`there is a registered model named '${to}'`);
  if (await store.hasVersions(db, to)) {
    throw registryErrors['model-exists'](`the deleted model '${to}' keeps its versions, so the name is not free`);
  }
}

/** Where versions of a model stand that only the gate lets in. */
async function protectedPlaces({ db }: GateDeps, model: RegisteredModel): Promise<Passage[]> {
  const aliases = Object.entries(model.aliases)
    .filter(([alias]) => model.protectedAliases.includes(alias))
    .map(([target, version]): Passage => ({ model: model.name, version, transition: 'alias', target }));
  const filter = { deleted: false, stage: PROTECTED_STAGE, limit: VERSIONS_AT_ONCE };
  const staged = (await listVersions(db.reader, model.name, filter)).map(
    ({ version }): Passage => ({ model: model.name, version, transition: 'stage', target: PROTECTED_STAGE }),
  );
  return [...aliases, ...staged];
}

/** Throws `registry/version-in-use` with what holds the version. */
export function refuseHeld(
  version: Parameters<typeof heldBy>[0] & { readonly version: number },
  protectedAliases: readonly string[],
): void {
  const held = heldBy(version, protectedAliases);
  if (held.length === 0) return;
  throw registryErrors['version-in-use'](
    `version ${version.version} holds ${held.join(' and ')}: take that away first`,
  );
}

export function refuseOwnTags(tags: Readonly<Record<string, string | null>>): void {
  const own = Object.keys(tags).find((key) => key.startsWith(OWN_TAGS));
  if (own !== undefined)
    throw registryErrors['reserved-tag'](`tags under '${OWN_TAGS}' are kept by the registry: '${own}'`);
}

async function putTags(tx: Tx, model: string, tags: Readonly<Record<string, string | null>>): Promise<void> {
  await store.putModelTags(tx.db, model, tags);
  const { tags: after } = await requireModel(tx.db, model);
  if (Object.keys(after).length > MODEL_TAGS_MAX) {
    throw registryErrors.limit(`model '${model}' has more than ${MODEL_TAGS_MAX} tags`);
  }
}
