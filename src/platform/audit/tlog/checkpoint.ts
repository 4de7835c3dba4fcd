import { auditErrors } from '../errors.ts';
import { HASH_BYTES } from './merkle.ts';
import { type NoteSigner, type NoteVerifier, openNote, strictBase64 } from './note.ts';

/** What a log commits to: its first `size` entries have the root `root` (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** The name of the signer's key is the origin. */
export function signCheckpoint(size: number, root: Uint8Array, signer: NoteSigner): string {
  return signer.sign(`${signer.verifier.name}\n${size}\n${Buffer.from(root).toString('base64')}\n`);
}

/** The checkpoint in a note signed by the log. Errors: `audit/note`. */
export function openCheckpoint(note: string, verifier: NoteVerifier): Checkpoint {
  const [origin = '', size = '', root = '', ...extensions] = openNote(note, verifier).slice(0, -1).split('\n');
  const hash = strictBase64(root);
  if (origin !== verifier.name)
    throw auditErrors.note(`the checkpoint is of '${origin}', its key of '${verifier.name}'`);
  if (!/^(?:0|[1-9]\d{0,14})$/.test(size) || hash?.length !== HASH_BYTES || extensions.includes('')) {
    throw auditErrors.note('the signed note is not a checkpoint');
  }
  return { origin, size: Number(size), root: hash };
}
