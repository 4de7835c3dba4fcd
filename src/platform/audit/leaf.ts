import { digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import type { AuditEntry } from '#platform/db';
import { ENTRY_BYTES_MAX } from './tlog/bundle.ts';

/**
 * The bytes of an entry in the Merkle log: its canonical JSON (RFC 8785: keys sorted, no white space, UTF-8) with the
 * fields action, actor, detail, hash, seq, subject and time, as in
 * `{"action":"model.register","actor":"user:ada","detail":{"version":3},"hash":"sha256:…","seq":7,…}`.
 *
 * The format of the log holds entries of up to 65,535 bytes. One that would be longer has `"detailDigest":"sha256:…"`,
 * the digest of the detail's canonical JSON, in the place of `detail`, which is then kept beside the log.
 */
export function leafOf(entry: AuditEntry): Uint8Array {
  const { action, actor, detail, hash, seq, subject, time } = entry;
  const whole = Buffer.from(canonicalJson({ action, actor, detail, hash, seq, subject, time }));
  if (whole.length <= ENTRY_BYTES_MAX) return whole;
  const detailDigest = digestOf(canonicalJson(detail));
  return Buffer.from(canonicalJson({ action, actor, detailDigest, hash, seq, subject, time }));
}

const DETAIL = Buffer.from(',"detail":');
const DETAIL_DIGEST = Buffer.from(',"detailDigest":"');
const HASH = Buffer.from(',"hash":"');
const DIGEST_CHARS = 'sha256:'.length + 64;
const QUOTE = 0x22;

/** An entry's bytes, taken apart without parsing them. Texts are canonical, so each part has one place. */
export interface LeafParts {
  /** `sha256:…`, what the entry claims as its hash in the chain. */
  readonly hash: string;
  /** The digest of a detail that is kept beside the log. */
  readonly detailDigest: string | undefined;
  /** What the chain hashes, given the hash of the entry before and the detail if that is kept beside the log. */
  chained(previous: string, detail?: Uint8Array): Uint8Array;
  /** Whether the bytes claim to be entry number `seq`. */
  claims(seq: number): boolean;
}

/**
 * Finds the parts. Quotation marks inside JSON texts are escaped, so `,"detail` occurs first where the detail is, and
 * `,"hash":"` last where the hash is. `undefined` for bytes that are no entry.
 */
export function leafParts(leaf: Uint8Array): LeafParts | undefined {
  const bytes = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength);
  const hashAt = bytes.lastIndexOf(HASH);
  const digestAt = bytes.indexOf(DETAIL_DIGEST);
  const detailAt = bytes.indexOf(DETAIL);
  const isOutside = digestAt >= 0 && (detailAt < 0 || digestAt < detailAt);
  const hashEnd = hashAt + HASH.length + DIGEST_CHARS;
  if (hashAt < 0 || bytes[hashEnd] !== QUOTE || (detailAt < 0 && !isOutside)) return undefined;
  const hash = bytes.toString('latin1', hashAt + HASH.length, hashEnd);
  const digestStart = digestAt + DETAIL_DIGEST.length;
  return {
    hash,
    detailDigest: isOutside ? bytes.toString('latin1', digestStart, digestStart + DIGEST_CHARS) : undefined,
    claims: (seq) => bytes.indexOf(`,"seq":${seq},"subject":"`, hashEnd, 'latin1') === hashEnd + 1,
    chained(previous, detail) {
      // The chain hashes the same canonical text, with `previous` instead of `hash`; both sort between detail and seq.
      const link = Buffer.from(`,"previous":"${previous}`, 'latin1');
      const before = detail ? [bytes.subarray(0, digestAt), DETAIL, detail] : [bytes.subarray(0, hashAt)];
      return Buffer.concat([...before, link, bytes.subarray(hashEnd)]);
    },
  };
}
