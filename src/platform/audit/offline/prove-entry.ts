import { auditErrors } from '../errors.ts';
import { CHECKPOINT_PATH, KEY_PATH, type LogSource, readResource, readTile } from '../log-source.ts';
import { decodeBundle } from '../tlog/bundle.ts';
import { openCheckpoint } from '../tlog/checkpoint.ts';
import { type NoteVerifier, noteVerifier } from '../tlog/note.ts';
import { Prover } from '../tlog/proofs.ts';
import { bundleOf, TILE_WIDTH, tilePath } from '../tlog/tile.ts';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from '../tlog/tlog-proof.ts';

export interface ProvedEntry {
  /** The text of a `.tlog-proof` file; its extra data are the entry. */
  readonly proof: string;
  /** The bytes that are in the log. */
  readonly entry: Uint8Array;
  readonly verifier: NoteVerifier;
}

/**
 * Proves that entry number `seq` is in the log, by the newest checkpoint. The proof was verified when this resolves.
 * Errors: `audit/not-found`, `audit/note`, `audit/proof` when the entry is not what the log signed.
 */
export async function proveEntry(source: LogSource, seq: number): Promise<ProvedEntry> {
  const verifier = noteVerifier(text(await readResource(source, KEY_PATH)));
  const signed = text(await readResource(source, CHECKPOINT_PATH));
  const { size } = openCheckpoint(signed, verifier);
  if (!Number.isSafeInteger(seq) || seq < 1 || seq > size) {
    throw auditErrors['not-found'](`the log has no entry ${seq}: its checkpoint has ${size}`);
  }
  const index = seq - 1;
  const bundle = bundleOf(Math.floor(index / TILE_WIDTH), size);
  const entry = decodeBundle(await readTile(source, bundle)).entries[index % TILE_WIDTH];
  if (!entry) throw auditErrors['not-found'](`entry ${seq} is missing in ${tilePath(bundle)}`);
  const path = await new Prover(size, (tile) => readTile(source, tile)).inclusion(index);
  const proof = { index, path, extra: entry, checkpoint: signed };
  verifyTlogProof(proof, entry, verifier);
  return { proof: formatTlogProof(proof), entry, verifier };
}

export interface VerifiedEntry {
  readonly seq: number;
  /** Of the log at the checkpoint of the proof. */
  readonly size: number;
  readonly entry: Uint8Array;
}

/** Verifies a proof that carries its entry, with only the key of the log. Errors: `audit/proof`, `audit/note`. */
export function verifyProvedEntry(proofText: string, verifier: NoteVerifier): VerifiedEntry {
  const proof = parseTlogProof(proofText);
  if (!proof.extra) throw auditErrors.proof('the proof does not carry its entry');
  const { size } = verifyTlogProof(proof, proof.extra, verifier);
  return { seq: proof.index + 1, size, entry: proof.extra };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
