import { createHash, hash } from 'node:crypto';
import { canonicalJson } from './json.ts';

/** The digest of content: `sha256:` and 64 hexadecimal digits. */
export type Digest = `sha256:${string}`;

export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${hash('sha256', content, 'hex')}`;
}

/** The digest of a value's canonical JSON. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}

/** A digest built up chunk by chunk. */
export function digester(): { update(chunk: Uint8Array): void; digest(): Digest } {
  const state = createHash('sha256');
  return { update: (chunk) => void state.update(chunk), digest: () => `sha256:${state.digest('hex')}` };
}

/** A 32-bit hash for spreading keys over buckets (FNV-1a with a final avalanche). Stable for ever; not for security. */
export function bucketHash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
