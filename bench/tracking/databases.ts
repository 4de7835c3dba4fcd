import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

/** Empty databases for the servers that are compared: files, or databases of one PostgreSQL. */
export interface Databases {
  /** What Kedge takes; nothing means a file of its own. */
  readonly kedge: string | undefined;
  /** What MLflow takes. */
  readonly mlflow: string;
  /** What is durable once a request was answered. */
  readonly durability: string;
  /** Once filled, so that neither plans its queries without statistics. */
  analyze(): Promise<void>;
  drop(): Promise<void>;
}

export function sqliteDatabases(folder: string, durable: boolean): Databases {
  const kedge = `write-ahead log, ${durable ? 'fsync of each commit' : 'no fsync of commits'}`;
  return {
    kedge: undefined,
    mlflow: `sqlite:///${join(folder, 'mlflow.db')}`,
    durability: `Kedge: ${kedge}; MLflow: rollback journal, fsync of each commit`,
    analyze: async () => {},
    drop: async () => {},
  };
}

export async function postgresDatabases(url: string): Promise<Databases> {
  const names = { kedge: `kedge_bench_${process.pid}`, mlflow: `mlflow_bench_${process.pid}` };
  const urlOf = (name: string): string => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  for (const name of Object.values(names)) await execute(url, `create database ${name}`);
  const [fsync] = await execute(url, 'show fsync');
  const [commit] = await execute(url, 'show synchronous_commit');
  return {
    kedge: urlOf(names.kedge),
    // SQLAlchemy knows no scheme `postgres`, and takes psycopg 3 by itself from version 2.1 on.
    mlflow: urlOf(names.mlflow).replace(/^postgres(ql)?:/, 'postgresql+psycopg2:'),
    durability: `both: PostgreSQL with fsync ${fsync?.['fsync']}, synchronous_commit ${commit?.['synchronous_commit']}`,
    async analyze() {
      for (const name of Object.values(names)) await execute(urlOf(name), 'vacuum analyze');
    },
    async drop() {
      for (const name of Object.values(names)) await execute(url, `drop database ${name} with (force)`);
    },
  };
}

async function execute(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Puts the runs into MLflow's own database, past its server. */
export function fillMlflow(environment: string, database: string, experiment: string, runs: number): void {
  const script = fileURLToPath(new URL('./fill-mlflow.py', import.meta.url));
  const { status } = spawnSync(join(environment, 'bin/python'), [script, database, experiment, String(runs)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`fill-mlflow.py ended with ${status}`);
}
