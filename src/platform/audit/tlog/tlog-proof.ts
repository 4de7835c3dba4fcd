import { auditErrors } from '../errors.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { HASH_BYTES, leafHash, verifyInclusion } from './merkle.ts';
import { type NoteVerifier, strictBase64 } from './note.ts';

/** An inclusion proof with the checkpoint that it leads to, as one text (c2sp.org/tlog-proof@v1). */
export interface TlogProof {
  /** Here the bytes of the entry, so that the text proves itself. It counts only once {@link verifyTlogProof} has. */
  readonly extra?: Uint8Array | undefined;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
}

const HEADER = 'c2sp.org/tlog-proof@v1';

export function formatTlogProof({ extra, index, path, checkpoint }: TlogProof): string {
  const lines = [
    HEADER,
    ...(extra ? [`extra ${base64(extra)}`] : []),
    `index ${index}`,
    ...path.map((hash) => base64(hash)),
    '',
    checkpoint,
  ];
  return lines.join('\n');
}

const FORM =
  /^c2sp\.org\/tlog-proof@v1\n(?:extra ([A-Za-z0-9+/=]*)\n)?index (0|[1-9]\d{0,14})\n((?:[A-Za-z0-9+/=]+\n)*)\n/;

/** Errors: `audit/proof`. */
export function parseTlogProof(text: string): TlogProof {
  const match = FORM.exec(text);
  if (!match) throw auditErrors.proof(`this is no proof of the form ${HEADER}`);
  const [head, extra, index = '', lines = ''] = match;
  const path = lines.split('\n').slice(0, -1).map(hashOf);
  return {
    extra: extra === undefined ? undefined : bytesOf(extra),
    index: Number(index),
    path,
    checkpoint: text.slice(head.length),
  };
}

/** Proves that the log of `verifier` has `entry` where the proof says. Errors: `audit/proof`, `audit/note`. */
export function verifyTlogProof(proof: TlogProof, entry: Uint8Array, verifier: NoteVerifier): Checkpoint {
  const checkpoint = openCheckpoint(proof.checkpoint, verifier);
  if (!verifyInclusion({ index: proof.index, hash: leafHash(entry) }, checkpoint, proof.path)) {
    throw auditErrors.proof(
      `the entry is not number ${proof.index + 1} of the ${checkpoint.size} entries of ${checkpoint.origin}`,
    );
  }
  return checkpoint;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function bytesOf(text: string): Uint8Array {
  const bytes = strictBase64(text);
  if (!bytes) throw auditErrors.proof(`'${text.slice(0, 50)}' in the proof is not base64`);
  return bytes;
}

function hashOf(text: string): Uint8Array {
  const bytes = bytesOf(text);
  if (bytes.length !== HASH_BYTES) throw auditErrors.proof(`a hash of the proof has ${bytes.length} bytes`);
  return bytes;
}
