import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Secrets have 256 random bits, so that one SHA-256 keeps them as safe as a slow hash keeps a password. */
const SECRET_BYTES = 32;

export interface NewKey {
  /** Finds the key; not secret. */
  readonly id: string;
  /** Shown once. */
  readonly key: string;
  readonly hash: string;
}

/** An API key: `kedge_<id>_<secret>`, so that a scanner of secrets recognises one that was published. */
export function newKey(): NewKey {
  const id = randomBytes(8).toString('hex');
  const key = `kedge_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { id, key, hash: hashOf(key) };
}

/** The id of what is written as an API key; undefined for anything else, for which nothing needs to be looked up. */
export function keyIdOf(text: string): string | undefined {
  return /^kedge_([0-9a-f]{16})_[\w-]{43}$/.exec(text)?.[1];
}

/** A token for a session or a sign-in link. */
export function newToken(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

export function isToken(text: string): boolean {
  return /^[\w-]{43}$/.test(text);
}

export function hashOf(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** Compares two hashes in a time that does not tell where they differ. */
export function equalHashes(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
