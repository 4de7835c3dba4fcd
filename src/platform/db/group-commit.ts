import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { CompiledQuery, type Dialect, DummyDriver, type KyselyPlugin, Transaction } from 'kysely';
import { assert } from '#core/assert';
import type { AnyTables } from '#ports/sql';

type Trx = Transaction<AnyTables>;

/** So many transactions are committed together at most: the first of them waits for the last. */
const GROUP_MAX = 32;

const SAVEPOINT = CompiledQuery.raw('savepoint member');
const RELEASE = CompiledQuery.raw('release savepoint member');
const ROLLBACK = CompiledQuery.raw('rollback to savepoint member');

export interface GroupCommitOptions {
  readonly dialect: Dialect;
  /** Runs a transaction of the database, which commits when `group` resolves. */
  begin(group: (trx: Trx) => Promise<void>): Promise<void>;
  /** Lets what has arrived already get in line before a group begins. */
  gather?: (() => Promise<unknown>) | undefined;
}

interface Member {
  run(trx: Trx): Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit (DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984): transactions
 * that wait for each other run one after the other in one transaction of the database, each behind a savepoint of its
 * own, and one commit makes all of them durable. Each resolves after that commit. One that fails is rolled back to its
 * savepoint and leaves the others as they are; when the commit fails, none of them exist and all of them reject.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #scope = new AsyncLocalStorage<{ open: boolean }>();
  readonly #line: Member[] = [];
  #draining: Promise<void> | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  async transaction<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    this.refuseInside();
    return new Promise((resolve, reject) => {
      let value: T;
      // The work runs in the asynchronous context of its caller, not in that of whoever came first.
      const run = AsyncResource.bind(async (trx: Trx) => {
        value = await this.#runAlone(trx, work);
      });
      this.#line.push({ run, resolve: () => resolve(value), reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Throws inside a transaction, where whoever asks for the database again would wait for himself. */
  refuseInside(): void {
    assert(!this.#scope.getStore()?.open, 'the database is used beside its own open transaction: use tx.db inside it');
  }

  /** Resolves when no transaction runs or waits. */
  async settled(): Promise<void> {
    while (this.#draining) await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#line.length > 0) {
      await this.#options.gather?.();
      const first = this.#line.shift();
      if (first) await this.#commitGroup(first);
    }
    this.#draining = undefined;
  }

  async #commitGroup(first: Member): Promise<void> {
    const members = [first];
    try {
      await this.#options.begin(async (queueing) => {
        const trx = await unqueued(queueing, this.#options.dialect);
        // Alone so far, it needs no savepoint: when it fails, all that there is of the group fails.
        await first.run(trx);
        for (let size = 1; size < GROUP_MAX && this.#line.length > 0; size++) {
          await trx.executeQuery(SAVEPOINT);
          const next = this.#line.shift();
          if (next && (await isKept(trx, next))) members.push(next);
        }
      });
    } catch (error) {
      for (const member of members) member.reject(error);
      return;
    }
    for (const member of members) member.resolve();
  }

  /** Runs the work with a handle that ends with it, so that no statement strays into the transaction of another. */
  async #runAlone<T>(trx: Trx, work: (trx: Trx) => Promise<T>): Promise<T> {
    const scope = { open: true };
    try {
      return await this.#scope.run(scope, () => work(trx.withPlugin(endingWith(scope))));
    } finally {
      scope.open = false;
    }
  }
}

/** Whether the work of a member is part of the group now. If not, nothing of it is, and it has been told why. */
async function isKept(trx: Trx, member: Member): Promise<boolean> {
  try {
    await member.run(trx);
  } catch (error) {
    await trx.executeQuery(ROLLBACK).finally(() => member.reject(error));
    return false;
  }
  await trx.executeQuery(RELEASE);
  return true;
}

/**
 * The transaction with statements that reach the connection as they come. Kysely hands it one after the answer to the
 * one before: then those that do not need each other's answers could share no round trip, and those behind one that
 * failed would run after the transaction was rolled back, outside of it.
 */
async function unqueued(trx: Trx, dialect: Dialect): Promise<Trx> {
  const executor = trx.getExecutor();
  const connection = await executor.provideConnection(async (held) => held);
  return new Transaction({
    config: { dialect },
    dialect,
    // The connection is there already, and begins and commits with the transaction that was given.
    driver: new DummyDriver(),
    executor: executor.withConnectionProvider({ provideConnection: (consumer) => consumer(connection) }),
  });
}

function endingWith(scope: { readonly open: boolean }): KyselyPlugin {
  return {
    transformQuery({ node }) {
      assert(scope.open, 'a statement is run in a transaction that has ended');
      return node;
    },
    transformResult: async ({ result }) => result,
  };
}
