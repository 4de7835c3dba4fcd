import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '#core/errors';
import {
  CHECKPOINT_PATH,
  exportLog,
  firstDifference,
  KEY_PATH,
  LogDirectory,
  type LogVerdict,
  type NoteVerifier,
  noteVerifier,
  openCheckpoint,
  ProjectLog,
  proveEntry,
  requireAppended,
  type Verdict,
  verifyChain,
  verifyDirectory,
  verifyLog,
  verifyProvedEntry,
  verifySource,
  type WholeLog,
} from '#platform/audit';
import { signedTree, withSource, withStoredLog } from '../audit-source.ts';
import type { ConnectionOptions } from '../connection.ts';
import { explainFailure, UsageError } from '../failure.ts';
import { printJson } from './connected.ts';
import { subjectNamed } from './history.ts';

const DATA_OPTION = ['--data <dir>', 'data directory; KEDGE_DATABASE moves its log to PostgreSQL'] as const;
const URL_OPTION = ['--url <url>', 'address of a control plane whose log is read instead'] as const;
const TOKEN_OPTION = ['--token <token>', 'token to present there'] as const;
const PROJECT_OPTION = ['--project <name>', 'the log of this project instead of that of the installation'] as const;
const KEY_OPTION = ['--key <key>', 'verifier key that the log must be signed with, or a file that has it'] as const;

interface VerifyOptions {
  readonly project?: string;
  readonly data?: string;
  readonly key?: string;
  readonly since?: string;
  readonly json?: boolean;
}

/** Auditing needs no running platform and no trust in one: it reads the database itself, or an export of the log. */
export function auditCommands(program: Command): void {
  const audit = program.command('audit').description('export the audit log, prove entries of it, verify it offline');
  audit
    .command('verify [path]')
    .description('verify an export, a .tlog-proof file or a data directory; names the first entry that is wrong')
    .option(...DATA_OPTION)
    .option(...PROJECT_OPTION)
    .option(...KEY_OPTION)
    .option('--since <former>', 'a former checkpoint, or an export that has one: nothing before it may have changed')
    .option('--json', 'answer as JSON')
    .action(async (path: string | undefined, options: VerifyOptions) => {
      try {
        const { verdict, words } = await verify(path, options);
        if (options.json) printJson(verdict);
        else process.stdout.write(`${words}\n`);
        process.exitCode = verdict.ok ? 0 : 1;
      } catch (error) {
        explainFailure(error);
      }
    });
  audit
    .command('export <directory>')
    .description('write the log as checkpoint, tiles and entries (c2sp.org/tlog-tiles), or bring an export up to date')
    .option(...DATA_OPTION)
    .option(...URL_OPTION)
    .option(...TOKEN_OPTION)
    .option(...PROJECT_OPTION)
    .action(async (directory: string, options: ConnectionOptions) => {
      try {
        await requireUsable(directory);
        const { size } = await withSource(options, ({ source }) => exportLog(source, new LogDirectory(directory)));
        process.stdout.write(`${size} entries written to ${directory}\n`);
      } catch (error) {
        explainFailure(error);
      }
    });
  audit
    .command('prove <subject>')
    .description('write a c2sp.org/tlog-proof of what was done first to a subject, as in churn@3 or model/churn')
    .option('--entry <number>', 'prove this entry about it instead')
    .option('--all', 'prove every entry about it')
    .option('--out <directory>', 'where the files go', '.')
    .option(...DATA_OPTION)
    .option(...URL_OPTION)
    .option(...TOKEN_OPTION)
    .option(...PROJECT_OPTION)
    .action(async (subject: string, options: ConnectionOptions & ProveOptions) => {
      try {
        await prove(subject, options);
      } catch (error) {
        explainFailure(error);
      }
    });
}

interface Answer {
  readonly verdict: { readonly ok: boolean };
  readonly words: string;
}

async function verify(path: string | undefined, options: VerifyOptions): Promise<Answer> {
  const key = options.key === undefined ? undefined : await keyFrom(options.key);
  if (path?.endsWith('.tlog-proof')) return verifyProof(path, key);
  if (path !== undefined && existsSync(join(path, CHECKPOINT_PATH))) {
    const directory = new LogDirectory(path);
    const verdict = await verifyDirectory(directory, { verifier: key });
    if (!verdict.ok || options.since === undefined) return told(verdict, path, key !== undefined);
    const since = await checkGrowth(directory, verdict, options.since);
    return since ?? told(verdict, path, key !== undefined, `; it only grew since ${options.since}`);
  }
  return withStoredLog(path ?? options.data, async (stored) => {
    const { project } = options;
    const chain = await (project === undefined
      ? verifyLog(stored.log)
      : verifyChain(new ProjectLog(stored.store.reader, project).all()));
    const tree = chain.ok ? await signedTree(stored, project) : undefined;
    const signed = await (tree && verifySource(tree, { verifier: key }));
    if (!signed || signed.ok) return { verdict: chain, words: wordsOfChain(chain, stored.where) };
    return told(signed, stored.where, false);
  });
}

async function verifyProof(path: string, key: NoteVerifier | undefined): Promise<Answer> {
  const beside = join(path, '..', KEY_PATH);
  const verifier = key ?? (await keyFrom(beside));
  try {
    const { seq, size, entry } = verifyProvedEntry(await readFile(path, 'utf8'), verifier);
    const text = Buffer.from(entry).toString();
    const known = keyWords(verifier, key !== undefined);
    const words = `${path}: entry ${seq} of the ${size} that ${verifier.name} signed${known}`;
    return { verdict: Object.assign({ ok: true }, { seq, size, entry: text }), words: `${words}\n${text}` };
  } catch (error) {
    const reason = messageOf(error);
    return { verdict: Object.assign({ ok: false }, { reason }), words: `${path}: NOT PROVED: ${reason}` };
  }
}

/** Nothing when the log only grew since the former checkpoint; otherwise what became of it. */
async function checkGrowth(directory: LogDirectory, whole: WholeLog, since: string): Promise<Answer | undefined> {
  const formerDirectory = (await stat(since).catch(() => undefined))?.isDirectory()
    ? new LogDirectory(since)
    : undefined;
  const file = formerDirectory ? join(since, CHECKPOINT_PATH) : since;
  const former = openCheckpoint(await textOf(file), whole.verifier);
  try {
    await requireAppended(directory, whole.checkpoint, former);
    return undefined;
  } catch (error) {
    const logs = [
      { source: directory, size: whole.entries },
      formerDirectory && { source: formerDirectory, size: former.size },
    ];
    const seq = logs[1] ? await firstDifference(logs[0]!, logs[1]) : undefined;
    const where = seq === undefined ? '' : `; the first entry that differs is ${seq}`;
    const verdict = { ok: false, entries: 0, ...(seq === undefined ? {} : { seq }), reason: messageOf(error) + where };
    return { verdict, words: `${since}: REWRITTEN: ${verdict.reason}` };
  }
}

interface ProveOptions {
  readonly entry?: string;
  readonly all?: boolean;
  readonly out: string;
}

async function prove(subject: string, options: ConnectionOptions & ProveOptions): Promise<void> {
  await withSource(options, async ({ source, numbersAbout }) => {
    const numbers = await numbersNamed(numbersAbout, subject, options.project);
    const wanted = options.entry === undefined ? undefined : Number(options.entry);
    if (numbers.length === 0) throw new UsageError(`${subject}: the audit log has nothing about it`);
    if (wanted !== undefined && !numbers.includes(wanted)) {
      throw new UsageError(
        `--entry ${options.entry}: that is none of the entries about ${subject}: ${numbers.join(' ')}`,
      );
    }
    await mkdir(options.out, { recursive: true });
    for (const seq of options.all ? numbers : [wanted ?? numbers[0]!]) {
      const { proof, entry, verifier } = await proveEntry(source, seq);
      const file = join(options.out, `${subject.replaceAll('/', '-')}.${seq}`);
      await writeFile(`${file}.tlog-proof`, proof);
      await writeFile(`${file}.entry.json`, entry);
      await writeFile(join(options.out, KEY_PATH), verifier.text);
      process.stdout.write(`${file}.tlog-proof: entry ${seq}, signed by ${verifier.text}\n`);
    }
  });
}

/** A model of a project is named with it in the log, unless it is of `default`. */
async function numbersNamed(
  numbersAbout: (subject: string) => Promise<number[]>,
  subject: string,
  project: string | undefined,
): Promise<number[]> {
  const named = subjectNamed(subject);
  const numbers = await numbersAbout(named);
  if (numbers.length > 0 || project === undefined) return numbers;
  return numbersAbout(named.replace(/^(model|model-version)\//, `$1/${project}/`));
}

/** A directory with anything else in it is not written into: an export removes what is no part of the log. */
async function requireUsable(directory: string): Promise<void> {
  const names = await readdir(directory).catch((): string[] => []);
  if (names.length > 0 && !names.includes(KEY_PATH) && !names.includes('tile')) {
    throw new UsageError(`${directory} is neither empty nor an export of an audit log`);
  }
}

/** A key as it was given, or in the file that was given. */
async function keyFrom(given: string): Promise<NoteVerifier> {
  return noteVerifier(/^[^\s+]+\+[0-9a-f]{8}\+/.test(given) ? given : (await textOf(given)).trim());
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`${path} cannot be read`);
  }
}

function told(verdict: LogVerdict, where: string, keyIsKnown: boolean, more = ''): Answer {
  if (!verdict.ok) {
    const at = verdict.seq === undefined ? `in ${verdict.place}` : `at entry ${verdict.seq}, in ${verdict.place}`;
    const words = `${where}: BROKEN ${at}: ${verdict.reason}; the ${verdict.entries} entries before it are whole`;
    return { verdict, words };
  }
  const { entries, head, checkpoint, verifier } = verdict;
  const root = Buffer.from(checkpoint.root).toString('base64');
  const known = keyWords(verifier, keyIsKnown);
  return {
    verdict: Object.assign({ ok: true }, { entries, head, root, origin: checkpoint.origin, key: verifier.text }),
    words: `${where}: ${entries} entries, all as signed by ${verifier.name}, root ${root}${known}${more}`,
  };
}

function keyWords(verifier: NoteVerifier, isKnown: boolean): string {
  return isKnown ? '' : ` (with the key that lies there, ${verifier.text}: give the one that you know as --key)`;
}

function wordsOfChain(verdict: Verdict, where: string): string {
  return verdict.ok
    ? `${where}: ${verdict.entries} entries, the chain is whole, head ${verdict.head}`
    : `${where}: BROKEN at entry ${verdict.seq}: ${verdict.reason}; ` +
        `the ${verdict.entries} entries before it are whole`;
}
