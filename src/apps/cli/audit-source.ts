import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { connect } from '#client';
import { KedgeError, messageOf } from '#core/errors';
import { realSystem } from '#core/system';
import {
  AuditLog,
  AuditTree,
  auditMigrations,
  CHECKPOINT_PATH,
  findEntries,
  LOG_KEY_FILE,
  LOG_PREFIX,
  type LogSource,
  openLogKey,
  PROJECT_LOG_PREFIX,
} from '#platform/audit';
import { loadConfig } from '#platform/config';
import { applyMigrations, columnsOf, Database, platformMigrations } from '#platform/db';
import type { SqlStore } from '#ports/sql';
import { openSql } from '../stores.ts';
import { addressFrom, type ConnectionOptions } from './connection.ts';
import { UsageError } from './failure.ts';

/** A log to read from, and the numbers of the entries about a subject in it. */
export interface AuditSource {
  readonly source: LogSource;
  numbersAbout(subject: string): Promise<number[]>;
}

interface StoredLog {
  readonly log: AuditLog;
  readonly store: SqlStore;
  /** What is read, in words. */
  readonly where: string;
  /** Where the key of the log is, or will be. */
  readonly keyFile: string;
}

const ENTRIES_MAX = 1_000;

/** The log of a running control plane when an address is given, or else that of a data directory. */
export async function withSource<T>(options: ConnectionOptions, work: (source: AuditSource) => Promise<T>): Promise<T> {
  if (options.project !== undefined) return withProjectSource(options, options.project, work);
  if (options.url !== undefined) return work(servedLog(options));
  return withStoredLog(options.data, async ({ log, ...stored }) =>
    work({
      source: await grownTree(stored),
      numbersAbout: async (subject) =>
        (await log.about(subject, { after: 0, limit: ENTRIES_MAX })).map((entry) => entry.seq),
    }),
  );
}

/** The log of one project, in which entries are found by reading it. */
async function withProjectSource<T>(
  options: ConnectionOptions,
  project: string,
  work: (source: AuditSource) => Promise<T>,
): Promise<T> {
  const reading = (source: LogSource): AuditSource => ({
    source,
    numbersAbout: (subject) => findEntries(source, subject),
  });
  if (options.url !== undefined) return work(reading(servedResources(addressFrom(options), project)));
  return withStoredLog(options.data, async (stored) => work(reading(await grownTree(stored, project))));
}

/** Opens the audit log where the configuration says that the data directory's is. Makes neither file nor table. */
export async function withStoredLog<T>(
  dataDir: string | undefined,
  work: (stored: StoredLog) => Promise<T>,
): Promise<T> {
  const config = loadConfig({ dataDir });
  const database = join(resolve(config.dataDir), 'kedge.sqlite');
  const where = config.database ? `PostgreSQL at ${URL.parse(config.database)?.host || 'the given address'}` : database;
  if (!config.database && !existsSync(database)) {
    const expected = `neither ${CHECKPOINT_PATH} of an export nor kedge.sqlite of a data directory is there`;
    throw new UsageError(`${config.dataDir} holds no audit log: ${expected}`);
  }
  const store = await openSql(config, { database });
  try {
    const log = new AuditLog(store.reader);
    await log.head().catch((error) => {
      if (error instanceof KedgeError) throw error;
      throw new UsageError(`${where} holds no audit log: ${messageOf(error)}`);
    });
    return await work({ log, store, where, keyFile: join(resolve(config.dataDir), LOG_KEY_FILE) });
  } finally {
    await store.close();
  }
}

/** The Merkle log of a data directory as it was signed last; `undefined` when no log was grown there yet. */
export async function signedTree({ store, keyFile }: StoredLog, project?: string): Promise<LogSource | undefined> {
  if (!existsSync(keyFile)) return undefined;
  if (!(await columnsOf(store)).some(({ table }) => table === 'audit_tree')) return undefined;
  const tree = new AuditTree(new Database(store, realSystem()), openLogKey(keyFile), project);
  return (await tree.read(CHECKPOINT_PATH)) && tree;
}

/** The Merkle log of a data directory with every entry in it. */
async function grownTree({ store, keyFile }: Omit<StoredLog, 'log'>, project?: string): Promise<AuditTree> {
  await applyMigrations(store, project === undefined ? auditMigrations : [...platformMigrations, ...auditMigrations]);
  const tree = new AuditTree(new Database(store, realSystem()), openLogKey(keyFile), project);
  await tree.grow();
  return tree;
}

function servedLog(options: ConnectionOptions): AuditSource {
  const { url, token } = addressFrom(options);
  const kedge = connect({ url, token });
  return {
    source: servedResources({ url, token }),
    async numbersAbout(subject) {
      const { items } = await kedge.audit.getHistory({ query: { subject, limit: ENTRIES_MAX } });
      return items.filter((entry) => entry.subject === subject).map((entry) => entry.seq);
    },
  };
}

function servedResources(
  { url, token }: { readonly url: string; readonly token: string | undefined },
  project?: string,
): LogSource {
  const prefix = project === undefined ? LOG_PREFIX : PROJECT_LOG_PREFIX;
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(project === undefined ? {} : { 'x-mlflow-workspace': project }),
  };
  return {
    async read(path) {
      const response = await fetch(`${url}${prefix}/${path}`, { headers });
      if (response.status === 404 && path !== CHECKPOINT_PATH) return undefined;
      if (!response.ok) throw new UsageError(`${url}: ${(await response.text()).trim()}`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}
