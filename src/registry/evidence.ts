import type { Json } from '#core/json';
import type { Tx } from '#platform/db';
import { registryErrors } from './errors.ts';
import { evidenceAdded } from './events.ts';
import { evidenceDigest, VERSION_EVIDENCE_BYTES_MAX, VERSION_EVIDENCE_MAX, versionSubject } from './model.ts';
import type { Evidence } from './shapes.ts';
import { evidenceSize, insertEvidence, listEvidence } from './store/evidence.ts';
import type { VersionKey } from './store/tables.ts';

export interface NewEvidence {
  readonly id: string;
  readonly kind: string;
  readonly passed: boolean | null;
  readonly data: Json;
  readonly by: string;
}

/**
 * Appends evidence to a version, with its event and audit entry. With `unlessKnown`, evidence that says the same as
 * some that is there is returned instead. Errors: `registry/limit`.
 */
export async function appendEvidence(
  tx: Tx,
  key: VersionKey,
  draft: NewEvidence,
  { unlessKnown = false }: { readonly unlessKnown?: boolean } = {},
): Promise<Evidence> {
  const digest = evidenceDigest(draft);
  if (unlessKnown) {
    const known = await listEvidence(tx.db, key, draft.kind);
    const same = known.find((other) => other.digest === digest);
    if (same) return same;
  }
  const text = JSON.stringify(draft.data);
  const bytes = Buffer.byteLength(text);
  const size = await evidenceSize(tx.db, key);
  if (size.count >= VERSION_EVIDENCE_MAX || size.bytes + bytes > VERSION_EVIDENCE_BYTES_MAX) {
    throw registryErrors.limit(
      `version ${key.version} of '${key.model}' has ${size.count} pieces of evidence with ${size.bytes} bytes; ` +
        `the limit is ${VERSION_EVIDENCE_MAX} pieces and ${VERSION_EVIDENCE_BYTES_MAX} bytes`,
    );
  }
  const { id, kind, passed, by } = draft;
  const evidence: Evidence = { id, kind, passed, data: draft.data, digest, by, at: tx.now };
  await insertEvidence(tx.db, key, { number: size.count + 1, text, bytes, evidence });
  const subject = versionSubject(key.model, key.version);
  tx.emit(evidenceAdded.draft(subject, { ...key, evidence: id, kind, passed }));
  tx.audit(subject, { evidence: id, kind, passed, digest });
  return evidence;
}
