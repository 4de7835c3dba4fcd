import { assert } from '#core/assert';
import { type Digest, digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import { isModelFile, type ModelSignature, type VersionArtifact } from './contract.ts';

/** Aliases that move only through the gate, unless a model says otherwise. */
export const PROTECTED_ALIASES: readonly string[] = ['champion', 'production'];

export const VERSION_EVIDENCE_MAX = 200;
export const VERSION_EVIDENCE_BYTES_MAX = 16_777_216;
export const MODEL_ALIASES_MAX = 100;
export const VERSION_TAGS_MAX = 100;

/** How the audit log and events name a model and a version of it. */
export const modelSubject = (model: string): string => `model/${model}`;
export const versionSubject = (model: string, version: number): string => `model-version/${model}@${version}`;

/** What a version is for ever. The order of the artifacts does not count, that of the inputs does. */
export interface VersionContent {
  readonly artifacts: readonly VersionArtifact[];
  readonly signature: ModelSignature;
  readonly run?: string | undefined;
}

/** The digest over everything in a version: equal for equal content, and different for any other. */
export function versionDigest(content: VersionContent): Digest {
  return digestOfJson({
    format: 'kedge.model-version/1',
    artifacts: byPath(content.artifacts),
    signature: content.signature,
    run: content.run ?? null,
  });
}

export function byPath(artifacts: readonly VersionArtifact[]): VersionArtifact[] {
  return [...artifacts].sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function modelFileOf(artifacts: readonly VersionArtifact[]): VersionArtifact {
  const file = artifacts.find((artifact) => isModelFile(artifact.path));
  assert(file, 'a version was stored without its model file');
  return file;
}

/** Evidence is compared by what it says, not by who said it when: a repeated registration adds none of it again. */
export function evidenceDigest(evidence: { kind: string; passed: boolean | null; data: Json }): Digest {
  return digestOfJson({ kind: evidence.kind, passed: evidence.passed, data: evidence.data });
}
