import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { accountErrors } from './errors.ts';

/** Argon2id with 19 MiB, two passes and one lane, as OWASP's password storage cheat sheet has it (RFC 9106). */
const PARAMETERS = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const TAG_BYTES = 32;
/** A stored hash asks for no more than this, whatever is in the database: 256 MiB and ten passes. */
const MEMORY_KIB_MAX = 262_144;
const PASSES_MAX = 10;

export const PASSWORD_LENGTH = { min: 12, max: 200 } as const;

/** Refuses what is guessed first. Errors: `accounts/password-weak`. */
export function assertStrong(password: string, user: string): void {
  const { min, max } = PASSWORD_LENGTH;
  if (password.length < min || password.length > max) {
    throw accountErrors['password-weak'](`password: expected ${min} to ${max} characters, found ${password.length}`);
  }
  if (new Set(password).size < 5) throw accountErrors['password-weak']('password: expected 5 different characters');
  if (password.toLowerCase().includes(user.toLowerCase())) {
    throw accountErrors['password-weak']('password: expected one without the name of its user');
  }
}

/** The hash of a password in the PHC string format: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const tag = await derive(password, salt, { ...PARAMETERS, tagLength: TAG_BYTES });
  const { memory, passes, parallelism } = PARAMETERS;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
}

/**
 * Whether a password is the one of a hash. Without a hash the same work is done for nothing, so that the time does not
 * tell whether there is such a user.
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const hash = parse(stored ?? NOBODYS);
  if (!hash) return false;
  const tag = await derive(password.slice(0, PASSWORD_LENGTH.max), hash.salt, hash);
  return timingSafeEqual(tag, hash.tag) && stored !== null;
}

interface Derivation {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly tagLength: number;
}

const NOBODYS = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

function parse(stored: string): (Derivation & { readonly salt: Buffer; readonly tag: Buffer }) | undefined {
  const match = /^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,3}),p=(\d{1,3})\$([\w+/]+)\$([\w+/]+)$/.exec(stored);
  if (!match) return undefined;
  const [memory = 0, passes = 0, parallelism = 0] = match.slice(1, 4).map(Number);
  if (memory > MEMORY_KIB_MAX || passes > PASSES_MAX) return undefined;
  const tag = Buffer.from(match[5] ?? '', 'base64');
  return { memory, passes, parallelism, tagLength: tag.length, salt: Buffer.from(match[4] ?? '', 'base64'), tag };
}

function derive(password: string, salt: Buffer, { memory, passes, parallelism, tagLength }: Derivation) {
  const message = password.normalize('NFKC');
  return new Promise<Buffer>((resolve, reject) => {
    argon2('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength }, (error, tag) =>
      error ? reject(error) : resolve(tag),
    );
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
