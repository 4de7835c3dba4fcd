import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';

/** A prefixed identifier such as `run_01K…`. The prefix is part of the type: a run id is never taken for a model id. */
export type Id<Prefix extends string> = `${Prefix}_${string}`;

export interface IdSource {
  /** A new identifier. Identifiers of one source sort by the time they were made. */
  next<const Prefix extends string>(prefix: Prefix): Id<Prefix>;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 48 bits of time, 16 bits of sequence and 48 random bits in Crockford base 32, lower case. */
export function systemIds(clock: Clock): IdSource {
  let lastMs = 0;
  let sequence = 0;
  return {
    next(prefix) {
      const now = Math.max(clock.now(), lastMs);
      sequence = now === lastMs ? sequence + 1 : 0;
      lastMs = now;
      return `${prefix}_${base32(now, 10)}${base32(sequence, 4)}${base32(randomBytes(6).readUIntBE(0, 6), 10)}`;
    },
  };
}

/** Identifiers that count up, for tests and simulations: equal histories give equal identifiers. */
export function sequenceIds(): IdSource {
  let count = 0;
  return { next: (prefix) => `${prefix}_${String(++count).padStart(8, '0')}` };
}

function base32(value: number, width: number): string {
  let rest = value;
  let text = '';
  for (let i = 0; i < width; i++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
