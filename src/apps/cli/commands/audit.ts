import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { openSqlite } from '#adapters/sql/sqlite';
import { AuditLog, type Verdict, verifyChain } from '#platform/audit';
import type { AuditEntry } from '#platform/db';
import { explainFailure, UsageError } from '../failure.ts';
import { printJson } from './connected.ts';

const ENTRIES = 'audit.jsonl';
const HEAD = 'head.json';

/** Auditing needs no running platform and no trust in one: it works on a data directory or on an export of its log. */
export function auditCommands(program: Command): void {
  const audit = program.command('audit').description('export the audit log and verify it offline');
  audit
    .command('verify [directory]')
    .description('recompute the chain of a data directory or of an export; names the first entry that is wrong')
    .option('--json', 'answer as JSON')
    .action(async (directory = './.kedge', options: { json?: boolean }) => {
      try {
        const verdict = await verifyDirectory(directory);
        if (options.json) printJson(verdict);
        else process.stdout.write(`${wordsOf(verdict, directory)}\n`);
        process.exitCode = verdict.ok ? 0 : 1;
      } catch (error) {
        explainFailure(error);
      }
    });
  audit
    .command('export <directory>')
    .description('write the audit log of a data directory as JSON lines with its head')
    .option('--data <dir>', 'data directory', './.kedge')
    .action(async (directory: string, options: { data: string }) => {
      try {
        const entries = await exportLog(options.data, directory);
        process.stdout.write(`${entries} entries written to ${join(directory, ENTRIES)}\n`);
      } catch (error) {
        explainFailure(error);
      }
    });
}

async function verifyDirectory(directory: string): Promise<Verdict> {
  if (existsSync(join(directory, ENTRIES))) {
    const head = JSON.parse(await readFile(join(directory, HEAD), 'utf8')) as { hash: string };
    return verifyChain(entriesOf(join(directory, ENTRIES)), head.hash);
  }
  return withLog(directory, async (log) => verifyChain(log.all(), (await log.head()).hash));
}

async function* entriesOf(path: string): AsyncIterable<AuditEntry> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    try {
      yield JSON.parse(line) as AuditEntry;
    } catch {
      // A line that is not JSON was altered: an entry without a number breaks the chain at its place.
      yield { seq: 0, time: 0, actor: '', action: '', subject: '', detail: null, hash: '' };
    }
  }
}

async function exportLog(dataDir: string, directory: string): Promise<number> {
  await mkdir(directory, { recursive: true });
  return withLog(dataDir, async (log) => {
    const out = createWriteStream(join(directory, ENTRIES));
    const head = await log.head();
    let entries = 0;
    for await (const entry of log.all()) {
      if (entry.seq > head.seq) break;
      if (!out.write(`${JSON.stringify(entry)}\n`)) await once(out, 'drain');
      entries += 1;
    }
    out.end();
    await once(out, 'finish');
    await writeFile(join(directory, HEAD), JSON.stringify(head));
    return entries;
  });
}

async function withLog<T>(dataDir: string, work: (log: AuditLog) => Promise<T>): Promise<T> {
  const path = join(dataDir, 'kedge.sqlite');
  if (!(await stat(path).catch(() => undefined))) {
    throw new UsageError(`${dataDir} holds neither ${ENTRIES} of an export nor kedge.sqlite of a data directory`);
  }
  const store = openSqlite(path);
  try {
    return await work(new AuditLog(store.reader));
  } finally {
    await store.close();
  }
}

function wordsOf(verdict: Verdict, directory: string): string {
  return verdict.ok
    ? `${directory}: ${verdict.entries} entries, the chain is whole, head ${verdict.head}`
    : `${directory}: BROKEN at entry ${verdict.seq}: ${verdict.reason}; ` +
        `the ${verdict.entries} entries before it are whole`;
}
