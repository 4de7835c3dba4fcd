import type { KyselyPlugin } from 'kysely';
import { openSqlite } from '#adapters/sql/sqlite';
import { type SqlStore, sqlErrors } from '#ports/sql';
import { never, type Process } from './process.ts';

const WRITES: ReadonlySet<string> = new Set(['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode']);

/** Who may write: one transaction at a time over all processes, as SQLite and the lock on PostgreSQL have it. */
export class WriteLock {
  #line: Promise<void> = Promise.resolve();

  async take(): Promise<() => void> {
    const before = this.#line;
    let release: () => void = () => {};
    this.#line = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return release;
  }
}

export interface SharedDatabase {
  readonly path: string;
  readonly lock: WriteLock;
  /** Called after each commit, before anything else can happen. */
  readonly onCommit: (process: Process) => void;
}

/**
 * The real SQLite store as one process has it: connections of its own to the shared file. Each statement, the begin
 * and the end of each transaction is an await at which the process may die. Its open transaction then never was.
 */
export function openProcessStore(process: Process, shared: SharedDatabase): SqlStore {
  const real = openSqlite(shared.path);
  const plugin = gatePlugin(process);
  process.onDeath(() => void ended.then(() => real.close()));
  let ended: Promise<unknown> = Promise.resolve();
  return {
    dialect: real.dialect,
    reader: real.reader.withPlugin(plugin),
    async transaction(work) {
      await process.gate(() => 'begin');
      const release = await shared.lock.take();
      if (!process.alive) {
        release();
        return never();
      }
      const running = real.transaction(async (trx) => {
        const value = await Promise.race([work(trx.withPlugin(plugin)), process.died]);
        await Promise.race([process.gate(() => 'commit'), process.died]);
        refuseIfFull(process, 'a commit');
        return value;
      });
      ended = running.catch(() => {});
      try {
        const value = await running;
        shared.onCommit(process);
        release();
        await process.gate(() => 'the answer of a commit');
        return value;
      } catch (error) {
        release();
        if (!process.alive) return never();
        throw error;
      }
    },
    close: () => real.close(),
  };
}

function gatePlugin(process: Process): KyselyPlugin {
  return {
    transformQuery({ node }) {
      if (WRITES.has(node.kind)) refuseIfFull(process, node.kind);
      return node;
    },
    async transformResult({ result }) {
      await process.gate(() => 'a statement');
      return result;
    },
  };
}

function refuseIfFull({ world, name }: Process, what: string): void {
  if (!world.chance(world.plan.databaseFull / 10)) return;
  world.fault('database full', `${name} at ${what}`);
  throw sqlErrors['no-space']('the disk that holds the database is full; the change was not made');
}
