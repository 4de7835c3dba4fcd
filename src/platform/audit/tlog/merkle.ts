import { hash } from 'node:crypto';

/** The Merkle tree of RFC 6962, section 2.1, over SHA-256. A hash is 32 bytes; several are concatenated. */

export const HASH_BYTES = 32;

/** The hash of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = hash('sha256', '', 'buffer');

/** The hash of a leaf: SHA-256(0x00 || data). */
export function leafHash(data: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(data.length + 1);
  input[0] = 0;
  input.set(data, 1);
  return hash('sha256', input, 'buffer');
}

// One buffer serves every call: nothing happens between filling and hashing it.
const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** The hash of an inner node: SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return hash('sha256', pair, 'buffer');
}

export function hashAt(hashes: Uint8Array, index: number): Uint8Array {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

/** The root over a power-of-two run of hashes, `count` of them from `start` on. */
export function completeRoot(hashes: Uint8Array, start = 0, count = hashes.length / HASH_BYTES): Uint8Array {
  let row: Uint8Array[] = [];
  for (let i = start; i < start + count; i++) row.push(hashAt(hashes, i));
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < row.length; i += 2) above.push(nodeHash(row[i]!, row[i + 1]!));
    row = above;
  }
  return row[0]!;
}

/** Joins the roots of complete subtrees, which shrink from left to right, to the root over all of them. */
export function foldPeaks(peaks: readonly Uint8Array[]): Uint8Array {
  if (peaks.length === 0) return EMPTY_ROOT;
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), peaks[peaks.length - 1]!);
}

/** The largest power of two below `n`, which is where RFC 6962 splits a tree of `n > 1` leaves. */
export function splitOf(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** Whether two hashes are the same bytes. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export interface Leaf {
  readonly index: number;
  readonly hash: Uint8Array;
}

export interface Tree {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether `proof` shows that `leaf` is in `tree` (RFC 9162, section 2.1.3.2, the same proofs as in RFC 6962). */
export function verifyInclusion(leaf: Leaf, tree: Tree, proof: readonly Uint8Array[]): boolean {
  if (leaf.index >= tree.size) return false;
  let [at, last, computed] = [leaf.index, tree.size - 1, leaf.hash];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      computed = nodeHash(sibling, computed);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      computed = nodeHash(computed, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameHash(computed, tree.root);
}

/** Whether `proof` shows that `later` only adds leaves to `former` (RFC 9162, section 2.1.4.2). */
export function verifyConsistency(former: Tree, later: Tree, proof: readonly Uint8Array[]): boolean {
  if (former.size > later.size) return false;
  if (former.size === later.size) return proof.length === 0 && sameHash(former.root, later.root);
  if (former.size === 0) return proof.length === 0 && sameHash(former.root, EMPTY_ROOT);
  const path = isPowerOfTwo(former.size) ? [former.root, ...proof] : [...proof];
  let [at, last] = [former.size - 1, later.size - 1];
  while (at % 2 === 1) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let [before, after] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      before = nodeHash(sibling, before);
      after = nodeHash(sibling, after);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      after = nodeHash(after, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameHash(before, former.root) && sameHash(after, later.root);
}

function isPowerOfTwo(n: number): boolean {
  return n === 1 || splitOf(n) * 2 === n;
}
