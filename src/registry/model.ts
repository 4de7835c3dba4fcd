import { type Digest, digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import {
  isModelFile,
  MLMODEL,
  type ModelSignature,
  type ModelVersion,
  type Stage,
  type StageStatus,
  type VersionArtifact,
} from './shapes.ts';

/** Aliases that move only through the gate, unless a model says otherwise. */
export const PROTECTED_ALIASES: readonly string[] = ['champion', 'production'];
/** The stage that is reached only through the gate. */
export const PROTECTED_STAGE: Stage = 'Production';

export const VERSION_EVIDENCE_MAX = 200;
export const VERSION_EVIDENCE_BYTES_MAX = 16_777_216;
export const MODEL_ALIASES_MAX = 100;
export const VERSION_TAGS_MAX = 100;
export const MODEL_TAGS_MAX = 100;

/** Tags under this prefix are kept by the registry itself: what MLflow's clients cannot see otherwise. */
export const OWN_TAGS = 'kedge.';

/** How the audit log and events name a model and a version of it. */
export const modelSubject = (model: string): string => `model/${model}`;
export const versionSubject = (model: string, version: number): string => `model-version/${model}@${version}`;

export const DEFAULT_PROJECT = 'default';

/** The one name that a model has everywhere. A name has no `/`, so the two forms cannot be mistaken for each other. */
export function modelKey(project: string, name: string): string {
  return project === DEFAULT_PROJECT ? name : `${project}/${name}`;
}

/** The project and the name in it of a model's key. */
export function partsOfKey(key: string): { readonly project: string; readonly name: string } {
  const at = key.indexOf('/');
  return at < 0 ? { project: DEFAULT_PROJECT, name: key } : { project: key.slice(0, at), name: key.slice(at + 1) };
}

/** What a version is for ever. The order of the artifacts does not count, that of the inputs does. */
export interface VersionContent {
  readonly artifacts: readonly VersionArtifact[];
  readonly signature: ModelSignature | null;
  readonly run?: string | null | undefined;
  /** Of a model that is kept elsewhere: where. */
  readonly external?: string | undefined;
  /** Of a prompt: its tags, which are all that it is made of. */
  readonly prompt?: Readonly<Record<string, string>> | undefined;
}

/** The digest over everything in a version: equal for equal content, and different for any other. */
export function versionDigest(content: VersionContent): Digest {
  return digestOfJson({
    format: 'kedge.model-version/1',
    artifacts: byPath(content.artifacts),
    signature: content.signature,
    run: content.run ?? null,
    external: content.external,
    prompt: content.prompt,
  });
}

export function byPath(artifacts: readonly VersionArtifact[]): VersionArtifact[] {
  return [...artifacts].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * What is scored with: the ONNX graph if there is one at the top, as in an MLflow model of the onnx flavour; else
 * another file `model.<format>` at the top; else the file `MLmodel`, which says how the folder is loaded.
 */
export function modelFileOf(artifacts: readonly VersionArtifact[]): VersionArtifact | null {
  const files = artifacts.filter((artifact) => isModelFile(artifact.path));
  const onnx = files.find((artifact) => artifact.path === 'model.onnx');
  return onnx ?? files[0] ?? artifacts.find((artifact) => artifact.path === MLMODEL) ?? null;
}

/** The status with which a version arrives in a stage, unless told. */
export function arrivalStatus(to: Stage): StageStatus {
  if (to === 'Production') return 'Approved';
  return to === 'Archived' ? 'Retired' : 'InProgress';
}

/** Whether something holds the version in place: deleting it would take away what others rely on. */
export function heldBy(
  version: Pick<ModelVersion, 'aliases' | 'stage'>,
  protectedAliases: readonly string[],
): readonly string[] {
  const aliases = version.aliases.filter((alias) => protectedAliases.includes(alias));
  return [
    ...aliases.map((alias) => `the protected alias '${alias}'`),
    ...(version.stage === PROTECTED_STAGE ? [`the stage ${PROTECTED_STAGE}`] : []),
  ];
}

/** Evidence is compared by what it says, not by who said it when: a repeated registration adds none of it again. */
export function evidenceDigest(evidence: { kind: string; passed: boolean | null; data: Json }): Digest {
  return digestOfJson({ kind: evidence.kind, passed: evidence.passed, data: evidence.data });
}
