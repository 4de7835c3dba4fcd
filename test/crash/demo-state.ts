import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { DemoReport, DemoRun } from './demo-run.ts';

type Row = Readonly<Record<string, unknown>>;
/** Rows by table, in an order that does not depend on when they were written. */
export type State = Readonly<Record<string, readonly unknown[]>>;

/**
 * Everything that a demo left in its database is compared, but for what follows from the kills or from chance. Beside
 * these, ids with chance in them are told by their kind, and times of the clock on the wall are all the same time.
 */
const EXCEPTIONS: Readonly<
  Record<string, { readonly columns?: readonly string[]; readonly rows?: (row: Row) => boolean }>
> = {
  // An attempt whose worker was killed is kept as lost, and its step has a higher epoch. What succeeded is compared.
  pipeline_attempt: {
    columns: ['id', 'epoch', 'lease_until'],
    rows: ({ status }) => status === 'succeeded' || status === 'failed',
  },
  pipeline_step: { columns: ['epoch', 'losses', 'progress'] },
  // Lines of lost attempts are kept too, and stack traces name the data directory.
  pipeline_log: { rows: () => false },
  // Who comes first among consumers that work side by side is open, so are the numbers of rows and what hangs on them.
  event: { columns: ['seq'] },
  event_cursor: { columns: ['seq'] },
  audit: { columns: ['seq', 'hash'] },
  log_head: { columns: ['audit_hash'] },
  audit_project: { columns: ['seq', 'hash', 'entry'] },
  // The Merkle log grows behind the audit rows, and its hashes cover their times. `kedge audit verify` compares them.
  audit_tree: { rows: () => false },
  audit_tile: { rows: () => false },
  audit_part: { rows: () => false },
  incident: { columns: ['changes'] },
  // The digest covers times of the clock on the wall, and what it covers is compared beside it.
  serving_bundle: { columns: ['digest'] },
  // A sealed record covers times of the clock on the wall.
  pipeline_run_record: { columns: ['digest', 'body'] },
  // Told in the order in which a job finds it, with times as text. Each end is told once, whoever was killed.
  lineage_event: { columns: ['position', 'body'], rows: ({ type }) => type !== 'START' && type !== 'RUNNING' },
  // How long an answer took.
  prediction: { columns: ['latency_us'] },
};

/** Fields of JSON that {@link EXCEPTIONS} leaves out as columns. */
const LEFT_OUT = new Set(['epoch', 'seconds', 'wallSeconds', 'usage', 'record']);

/** What the database of a closed demo holds. */
export function storedIn({ dataDir, startedAt, endedAt }: DemoRun): State {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'), { readOnly: true });
  try {
    const known = namesIn(db);
    const isWallTime = (value: number): boolean => value >= startedAt && value <= endedAt;
    const plain = (value: unknown): unknown => withoutChance(value, { known, isWallTime });
    const tables = db.prepare(`select name from sqlite_master where type = 'table' order by name`).all();
    const rowsIn = (name: string): unknown[] => rowsOf(db, name).map(plain).sort(inOrder);
    return Object.fromEntries(tables.map(({ name }) => [String(name), rowsIn(String(name))]));
  } finally {
    db.close();
  }
}

/** What the demo told of it. The order is open only among decisions of the same event time. */
export function toldIn({ report, dataDir }: DemoRun) {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'), { readOnly: true });
  const known = namesIn(db);
  db.close();
  const { requests, gain, weeks, rollouts, decisions, skew, audit }: DemoReport = report;
  const { answered, fallbacks, failures } = requests;
  const told = decisions.map(({ at, type, subject, text }) => ({ at, type, subject, text }));
  const chance = { known, isWallTime: () => false };
  return {
    ...{ answered, fallbacks, failures, gain, weeks, skew, entries: audit.entries, chain: audit.ok },
    rollouts: withoutChance(rollouts, chance),
    decisions: (withoutChance(told, chance) as Row[]).sort(inOrder),
  };
}

function rowsOf(db: DatabaseSync, table: string): Row[] {
  const { columns = [], rows = () => true } = EXCEPTIONS[table] ?? {};
  const all = db.prepare(`select * from "${table}"`).all();
  return all
    .filter(rows)
    .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !columns.includes(name))));
}

/** Names without chance for what is referred to by ids or digests with chance in them. */
function namesIn(db: DatabaseSync): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const { id, pipeline } of db.prepare('select id, pipeline from pipeline_run order by created_at, id').all()) {
    const number = (counts.get(String(pipeline)) ?? 0) + 1;
    counts.set(String(pipeline), number);
    names.set(String(id), `run ${number} of ${pipeline}`);
  }
  for (const { id, number } of db.prepare('select id, number from serving_rollout').all()) {
    names.set(String(id), `rollout ${number}`);
  }
  // The digest of a version covers the id of the run that made it.
  for (const { digest, version } of db.prepare('select digest, version from registry_version').all()) {
    names.set(String(digest), `digest of version ${version}`);
  }
  return names;
}

interface Chance {
  readonly known: ReadonlyMap<string, string>;
  readonly isWallTime: (value: number) => boolean;
}

const TOKEN = /sha256:[0-9a-f]{64}|\b[a-z]+_[0-9a-z]{24,25}\b/g;

function withoutChance(value: unknown, chance: Chance): unknown {
  if (typeof value === 'number') return chance.isWallTime(value) ? 'a time of the clock on the wall' : value;
  if (value instanceof Uint8Array) return createHash('sha256').update(value).digest('hex');
  if (Array.isArray(value)) return value.map((item) => withoutChance(item, chance));
  if (typeof value === 'object' && value !== null) {
    const kept = Object.entries(value).filter(([name]) => !LEFT_OUT.has(name));
    return Object.fromEntries(kept.map(([name, item]) => [name, withoutChance(item, chance)]));
  }
  if (typeof value !== 'string') return value;
  const json = /^[[{]/.test(value) ? parsed(value) : undefined;
  if (json !== undefined) return withoutChance(json, chance);
  return value.replace(
    TOKEN,
    (token) => chance.known.get(token) ?? token.replace(/^([a-z]+)_(?!k[0-9a-f]{24}$).*/, '$1_…'),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function inOrder(a: unknown, b: unknown): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
