import { KedgeError, messageOf } from '#core/errors';
import type { RequestContext } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import type { SourceDraft } from './contract.ts';
import { registryErrors } from './errors.ts';
import { EVIDENCE_BYTES_MAX } from './evidence-size.ts';
import { readMlModel } from './mlmodel.ts';
import { modelKey, partsOfKey, type VersionContent } from './model.ts';
import type { Registration } from './register.ts';
import { requireModel, requireReady } from './require.ts';
import {
  EVIDENCE_WITH_VERSION_MAX,
  type Evidence,
  evidenceDraft,
  MLMODEL,
  type ModelVersion,
  VERSION_ARTIFACTS_MAX,
  type VersionArtifact,
} from './shapes.ts';
import { type ModelSources, parseSource, type SourceOwner } from './sources.ts';
import { findAlias } from './store/aliases.ts';
import { PROMPT_TAG } from './store/search.ts';
import type { Db } from './store/tables.ts';

export interface SourceDeps {
  readonly db: { readonly reader: Db };
  readonly blobs?: Pick<BlobStore, 'read'> | undefined;
  readonly sources?: ModelSources | undefined;
}

/** A version that is to be registered from where its files are now, in the model of this key. */
export interface FromSource extends Omit<SourceDraft, 'tags' | 'description' | 'runLink'> {
  readonly model: string;
  readonly runLink: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** Evidence that a run leaves for its model: `kedge-evidence/<kind>.json` with `{passed, summary, metrics, …}`. */
export const EVIDENCE_FOLDER = 'kedge-evidence';
const MLMODEL_BYTES_MAX = 1_048_576;
const PROMPT_SOURCES = ['dummy-source', 'prompt-template'];
/** What a prompt is made of; its other tags are about it. */
const PROMPT_PARTS = [
  'mlflow.prompt.text',
  '_mlflow_prompt_type',
  '_mlflow_prompt_response_format',
  '_mlflow_prompt_model_config',
];
export const isPromptPart = (key: string): boolean => PROMPT_PARTS.includes(key);

/**
 * Finds out what a version from a source is made of: the files that are there at this moment, by their digests, so that
 * nothing that happens to the run or logged model later changes the version. A place without files gives a version that
 * says so and is `failed`. Errors: `registry/source` for a source that cannot be, and for evidence that cannot be read.
 */
export async function registrationOf(
  deps: SourceDeps,
  context: RequestContext,
  draft: FromSource,
): Promise<Registration> {
  const { model, source, runLink, description, tags, semanticVersion } = draft;
  const common = { model, source, runLink, description, tags, semanticVersion };
  if (tags[PROMPT_TAG] === 'true') return { ...common, ...promptOf(draft) };
  const place = parseSource(source);
  switch (place.kind) {
    case 'refused':
      throw invalid(source, place.why);
    case 'external': {
      const content: VersionContent = { artifacts: [], signature: null, run: draft.run, external: source };
      return { ...common, content, schema: null, evidence: [], modelId: draft.modelId ?? null };
    }
    case 'version': {
      const { project } = partsOfKey(model);
      const copied = await versionAt(deps.db.reader, modelKey(project, place.model), place.version);
      return { ...common, ...copyOf(copied, draft) };
    }
    case 'run':
    case 'logged-model': {
      const id = place.kind === 'run' ? place.run : place.model;
      const owner = await ownerOf(deps, context, place);
      if (!owner) throw invalid(source, `there is no ${place.kind === 'run' ? 'run' : 'logged model'} '${id}'`);
      const modelId = place.kind === 'run' ? (draft.modelId ?? null) : place.model;
      return { ...common, modelId, ...(await contentOf(deps, context, { draft, owner, folder: place.folder })) };
    }
  }
}

type Filled = Pick<Registration, 'content' | 'schema' | 'evidence'> & { readonly failure?: string };

function promptOf({ source, tags, run }: FromSource): Filled {
  if (!PROMPT_SOURCES.includes(source)) throw invalid(source, 'a prompt has no files');
  const parts = Object.fromEntries(Object.entries(tags).filter(([key]) => isPromptPart(key)));
  return { content: { artifacts: [], signature: null, run, prompt: parts }, schema: null, evidence: [] };
}

function copyOf(copied: ModelVersion, draft: FromSource): Filled & { readonly modelId: string | null } {
  const { artifacts, schema, modelId } = copied;
  const signature = copied.signature.inputs.length > 0 ? copied.signature : null;
  const external = artifacts.length === 0 ? copied.source : undefined;
  const content = { artifacts, signature, run: draft.run ?? copied.runId, external };
  return { content, schema, evidence: [], modelId: draft.modelId ?? modelId };
}

async function versionAt(db: Db, model: string, at: number | { readonly alias: string }): Promise<ModelVersion> {
  const { tags } = await requireModel(db, model);
  if (tags[PROMPT_TAG] === 'true') throw registryErrors.source(`'${model}' is a prompt, which has no files`);
  const version = typeof at === 'number' ? at : await findAlias(db, model, at.alias);
  if (version === undefined) throw registryErrors['alias-not-found'](`model '${model}' does not have that alias`);
  return requireReady(db, { model, version });
}

async function ownerOf(
  { sources }: SourceDeps,
  context: RequestContext,
  place: { readonly kind: 'run'; readonly run: string } | { readonly kind: 'logged-model'; readonly model: string },
): Promise<SourceOwner | undefined> {
  try {
    if (place.kind === 'run') return await sources?.run(context, place.run);
    return await sources?.loggedModel(context, place.model);
  } catch (error) {
    if (error instanceof KedgeError && error.status === 404) return undefined;
    throw error;
  }
}

async function contentOf(
  deps: SourceDeps,
  context: RequestContext,
  { draft, owner, folder }: { readonly draft: FromSource; readonly owner: SourceOwner; readonly folder: string },
): Promise<Filled> {
  const { source } = draft;
  const run = draft.run ?? owner.runId;
  const all = await owner.files(folder);
  const artifacts = all.filter(({ path }) => !path.startsWith(`${EVIDENCE_FOLDER}/`));
  const evidence = await evidenceOf(deps, context, { draft, owner, files: all });
  if (artifacts.length === 0) {
    const content = { artifacts, signature: null, run, external: source };
    return { content, schema: null, evidence, failure: `there are no files at ${source}` };
  }
  if (artifacts.length > VERSION_ARTIFACTS_MAX) {
    throw registryErrors.limit(
      `${source} has ${artifacts.length} files; a version has at most ${VERSION_ARTIFACTS_MAX}`,
    );
  }
  const { schema, signature } = await mlModelOf(deps, artifacts);
  return { content: { artifacts, signature, run }, schema, evidence };
}

async function mlModelOf({ blobs }: SourceDeps, artifacts: readonly VersionArtifact[]) {
  const file = artifacts.find(({ path, bytes }) => path === MLMODEL && bytes <= MLMODEL_BYTES_MAX);
  if (!file || !blobs) return { schema: null, signature: null };
  return readMlModel(new TextDecoder().decode(await blobs.read(file.digest)));
}

type FoundEvidence = Pick<Evidence, 'kind' | 'passed' | 'data'>;

/** What the run left as files, beside the model or at its own top, and its metrics as an evaluation. */
async function evidenceOf(
  deps: SourceDeps,
  context: RequestContext,
  found: { readonly draft: FromSource; readonly owner: SourceOwner; readonly files: readonly VersionArtifact[] },
): Promise<FoundEvidence[]> {
  const { draft, owner, files } = found;
  const runId = draft.run ?? owner.runId;
  const run = runId === null ? undefined : await ownerOf(deps, context, { kind: 'run', run: runId });
  if (runId !== null && !run) throw invalid(draft.source, `there is no run '${runId}'`);
  const named = [...((await run?.files(EVIDENCE_FOLDER)) ?? []), ...filesBelow(files, EVIDENCE_FOLDER)];
  const unique = [...new Map(named.map((file) => [file.path, file])).values()].filter((file) => isEvidence(file.path));
  if (unique.length > EVIDENCE_WITH_VERSION_MAX) {
    throw registryErrors.source(`${EVIDENCE_FOLDER} has ${unique.length} files; at most ${EVIDENCE_WITH_VERSION_MAX}`);
  }
  const evidence: FoundEvidence[] = [];
  for (const file of unique) evidence.push(await readEvidence(deps, file));
  const metrics = { ...run?.metrics, ...owner.metrics };
  const measured = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  if (measured.length > 0 && !evidence.some(({ kind }) => kind === 'evaluation')) {
    const data = { summary: 'the metrics of its run', run: runId, metrics: Object.fromEntries(measured.slice(0, 500)) };
    evidence.push({ kind: 'evaluation', passed: null, data });
  }
  return evidence;
}

async function readEvidence({ blobs }: SourceDeps, { path, digest, bytes }: VersionArtifact): Promise<FoundEvidence> {
  const refuse = (why: string) => registryErrors.source(`${EVIDENCE_FOLDER}/${path}: ${why}`);
  if (bytes > EVIDENCE_BYTES_MAX) throw refuse(`has ${bytes} bytes; evidence has at most ${EVIDENCE_BYTES_MAX}`);
  if (!blobs) throw refuse('there is no blob store to read it from');
  let told: unknown;
  try {
    told = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await blobs.read(digest)));
  } catch (error) {
    throw refuse(`is not JSON: ${messageOf(error)}`);
  }
  if (told === null || typeof told !== 'object' || Array.isArray(told)) throw refuse('expected a JSON object');
  const { passed = null, ...data } = told as { readonly passed?: unknown };
  const draft = evidenceDraft.safeParse({ kind: path.slice(0, -'.json'.length), passed, data });
  if (!draft.success) throw refuse(draft.error.issues[0]?.message ?? 'does not fit');
  return draft.data;
}

function filesBelow(files: readonly VersionArtifact[], folder: string): VersionArtifact[] {
  const below = `${folder}/`;
  return files.flatMap((file) =>
    file.path.startsWith(below) ? [{ ...file, path: file.path.slice(below.length) }] : [],
  );
}

function isEvidence(path: string): boolean {
  return /^[^/]+\.json$/.test(path);
}

function invalid(source: string, why: string): Error {
  return registryErrors.source(`Invalid model version source: '${source.slice(0, 500)}': ${why}.`);
}
