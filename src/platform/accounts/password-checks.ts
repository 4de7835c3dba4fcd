import { accessErrors } from '#platform/access';
import { verifyPassword } from './passwords.ts';

/** Each takes 19 MiB and a thread of the pool that files are read with, so most of that is left to others. */
const AT_A_TIME = 2;
const WAITING_MAX = 64;

/** Verifies passwords, a few at a time; those who come when too many wait are told to come later. */
export class PasswordChecks {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Errors: `access/too-many-attempts`. */
  async verify(password: string, stored: string | null): Promise<boolean> {
    if (this.#running >= AT_A_TIME) {
      if (this.#waiting.length >= WAITING_MAX) {
        throw accessErrors['too-many-attempts']('too many passwords are being checked: try again in a second');
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await verifyPassword(password, stored);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
