import type { System } from '#core/system';
import type { Database, Tx } from '#platform/db';

/** How long a leader that is not heard stays one; a dead one delays the jobs by at most this and a second. */
const LEASE_MS = 3_000;
const LOOK_EVERY_MS = 1_000;

interface LeaderRow {
  readonly holder: string;
  readonly until: number;
}

/**
 * Which of the processes over one database runs the jobs: the one that holds a row until a time, and moves that time
 * forward while it lives. It saves the others the work. Nothing may rely on there being one leader at every instant,
 * as a process may stand still between asking and acting: jobs are safe to run twice.
 */
export class Leader {
  readonly #db: Database;
  readonly #system: System;
  readonly #holder: string;
  #leads = false;
  #lookAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<boolean> | undefined;

  constructor(db: Database, system: System) {
    this.#db = db;
    this.#system = system;
    this.#holder = system.ids.next('leader');
  }

  /** Whether this process leads. Asks the database once a second at most. */
  async leads(): Promise<boolean> {
    if (this.#system.clock.monotonic() < this.#lookAtMs) return this.#leads;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Gives the lead up, so that another takes it at once. */
  async leave(): Promise<void> {
    this.#leads = false;
    this.#lookAtMs = Number.POSITIVE_INFINITY;
    await this.#db.maintain(async (tx) => {
      await tx.db.deleteFrom('leader').where('holder', '=', this.#holder).execute();
    });
  }

  async #look(): Promise<boolean> {
    const startedMs = this.#system.clock.monotonic();
    this.#leads = false;
    const held = await leaderRow(this.#db.reader);
    const leftMs = (held?.until ?? 0) - this.#system.clock.now();
    if (held?.holder === this.#holder && leftMs > LEASE_MS / 2 && leftMs <= LEASE_MS) this.#leads = true;
    else if (this.#mayTake(held, this.#system.clock.now())) {
      this.#leads = await this.#db.maintain((tx) => this.#take(tx));
    }
    this.#lookAtMs = startedMs + LOOK_EVERY_MS;
    return this.#leads;
  }

  async #take(tx: Pick<Tx, 'db' | 'now'>): Promise<boolean> {
    if (!this.#mayTake(await leaderRow(tx.db), tx.now)) return false;
    const row = { holder: this.#holder, until: tx.now + LEASE_MS };
    await tx.db
      .insertInto('leader')
      .values({ id: 1, ...row })
      .onConflict((c) => c.column('id').doUpdateSet(row))
      .execute();
    return true;
  }

  /** A time further ahead than any that is given comes from a clock that was wrong, and does not count. */
  #mayTake(held: LeaderRow | undefined, now: number): boolean {
    return !held || held.holder === this.#holder || held.until < now || held.until > now + LEASE_MS;
  }
}

async function leaderRow(db: Tx['db'] | Database['reader']): Promise<LeaderRow | undefined> {
  const row = await db.selectFrom('leader').selectAll().where('id', '=', 1).executeTakeFirst();
  return row && { holder: row['holder'], until: row['until'] };
}
