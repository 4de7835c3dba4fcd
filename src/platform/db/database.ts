import type { Kysely, Transaction } from 'kysely';
import { assert } from '#core/assert';
import type { Json } from '#core/json';
import type { System } from '#core/system';
import type { AnyTables, SqlDialect, SqlStore } from '#ports/sql';
import { appendLogs, logEnds } from './append-logs.ts';
import type { AuditDraft } from './audit-chain.ts';

/** Who acts: a person, a service account, or a part of the platform (`system:automation`). */
export interface Actor {
  readonly id: string;
  readonly roles: readonly string[];
}

/** Under whose name and for which audited action a transaction runs. A request's context is one of these. */
export interface Context {
  readonly actor: Actor;
  /** The audit action, such as `dataset.commit`. Comes from the route, or from the controller that acts by itself. */
  readonly action: string;
  /** The project whose log has what is done, beside the log of the installation; `default` unless told. */
  readonly project?: string;
}

/** A fact to publish. Consumers receive the facts of one subject in the order in which they were committed. */
export interface EventDraft {
  readonly type: string;
  readonly subject: string;
  readonly data: Json;
}

/** A fact as it was committed. `seq` orders all facts of the platform without gaps. */
export interface PublishedEvent extends EventDraft {
  readonly seq: number;
  readonly time: number;
}

type Listener = (events: readonly PublishedEvent[]) => void;

/** A transaction. Whatever is emitted and audited on it commits together with its writes, or not at all. */
export interface Tx {
  readonly db: Transaction<AnyTables>;
  readonly dialect: SqlDialect;
  /** The time of the transaction in epoch milliseconds: one value for all its rows. */
  readonly now: number;
  emit(event: EventDraft): void;
  /** Records what was done to `subject` (`dataset/flights`). The action and the actor come from the context. */
  audit(subject: string, detail?: Json): void;
  /** The same transaction in the name of another, for what they start in it: that is audited as theirs. */
  as(context: Context): Tx;
}

/** The project of whoever names none. */
const DEFAULT_PROJECT = 'default';

/** Under which {@link Database.maintain} runs; no audit row ever carries it. */
const UPKEEP: Context = { actor: { id: 'system:upkeep', roles: [] }, action: 'upkeep' };

/** What is known of a transaction before it runs. */
interface Expectation {
  /** Throws when it drafted what it may not, or did not what it must. */
  check?(drafts: readonly AuditDraft[]): void;
  readonly willAudit?: boolean;
}

/**
 * Invariants:
 * 1. State, events and audit rows of one transaction commit together ({@link Database.transact}).
 * 2. A transaction under a context leaves at least one audit row, or throws and leaves nothing.
 * 3. Events and audit rows are numbered without gaps in the order of their commits: both counters live in one row that
 *    each transaction locks last.
 */
export class Database {
  readonly #store: SqlStore;
  readonly #system: System;
  readonly #listeners = new Set<Listener>();

  constructor(store: SqlStore, system: System) {
    this.#store = store;
    this.#system = system;
  }

  get dialect(): SqlDialect {
    return this.#store.dialect;
  }

  /** Committed state, for queries outside a transaction. */
  get reader(): Kysely<AnyTables> {
    return this.#store.reader;
  }

  /** Runs `work` in a transaction under `context`. `work` must call `tx.audit` at least once. */
  async transact<T>(context: Context, work: (tx: Tx) => Promise<T>): Promise<T> {
    const check = (drafts: readonly AuditDraft[]): void =>
      assert(drafts.length > 0, `the transaction of action '${context.action}' committed nothing to the audit log`);
    return this.#run(context, work, { check, willAudit: true });
  }

  /** As {@link transact}, for work that may find that nothing has to change and then audits nothing. */
  async react<T>(context: Context, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run(context, work);
  }

  /** Runs bookkeeping that changes nothing a user declared (cursors, leases, recorded traffic): it is not audited. */
  async maintain<T>(work: (tx: Omit<Tx, 'audit' | 'as'>) => Promise<T>): Promise<T> {
    const check = (drafts: readonly AuditDraft[]): void =>
      assert(drafts.length === 0, 'bookkeeping cannot write to the audit log');
    return this.#run(UPKEEP, work, { check });
  }

  /** Calls `listener` after each commit that published events, with these. Returns the function that stops it. */
  onPublished(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #run<T>(
    context: Context,
    work: (tx: Tx) => Promise<T>,
    { check, willAudit = false }: Expectation = {},
  ): Promise<T> {
    let published: readonly PublishedEvent[] = [];
    const result = await this.#store.transaction(async (trx) => {
      const now = this.#system.clock.now();
      const events: EventDraft[] = [];
      const drafts: AuditDraft[] = [];
      const inNameOf = ({ actor, action, project = DEFAULT_PROJECT }: Context): Tx => ({
        db: trx,
        dialect: this.#store.dialect,
        now,
        emit: (event) => void events.push(event),
        audit: (subject, detail = null) => void drafts.push({ subject, detail, actor: actor.id, action, project }),
        as: inNameOf,
      });
      // Read along with what the work asks first, which saves a store with round trips one of them.
      const ends = willAudit ? logEnds(trx, context.project ?? DEFAULT_PROJECT) : undefined;
      ends?.catch(() => {});
      const value = await work(inNameOf(context));
      check?.(drafts);
      published = await appendLogs(trx, { time: now, audit: drafts, events, ends });
      return value;
    });
    if (published.length > 0) for (const listener of this.#listeners) listener(published);
    return result;
  }
}
