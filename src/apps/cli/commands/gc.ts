import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { messageOf } from '#core/errors';
import { realSystem } from '#core/system';
import { durationMs, formatBytes } from '#core/units';
import { collectGarbage, type Garbage } from '#platform/blobs';
import { loadConfig } from '#platform/config';
import { type Context, Database } from '#platform/db';
import { type Purged, purgeDeleted } from '#tracking';
import { openDataDir } from '../../data-dir.ts';
import { openBlobs, openSql } from '../../stores.ts';
import { databasePlace } from '../database-place.ts';
import { explainFailure, UsageError } from '../failure.ts';
import { printJson } from './connected.ts';

interface GcOptions {
  readonly data?: string;
  readonly olderThan: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface Collected {
  readonly dryRun: boolean;
  readonly purged: Purged;
  readonly content: Garbage;
}

/** Whoever can read and write the data directory is whom the audit log names. */
const CONTEXT: Context = { actor: { id: 'user:local', roles: ['admin'] }, action: 'tracking.purge' };

/** Works on the stores themselves, beside a running platform or without one. */
export function gcCommand(program: Command): void {
  program
    .command('gc')
    .description('remove for ever what was deleted long ago, with its files, and stored content that nothing refers to')
    .option('--data <dir>', 'data directory; KEDGE_DATABASE and KEDGE_BLOBS move what it holds elsewhere')
    .option('--older-than <duration>', 'how long ago it was deleted at least, as in 30d or 12h', '30d')
    .option('--dry-run', 'only tell what would go')
    .option('--json', 'answer as JSON')
    .action(async (options: GcOptions) => {
      try {
        const collected = await collect(options);
        if (options.json) printJson(collected);
        else process.stdout.write(`${wordsOf(collected)}\n`);
      } catch (error) {
        explainFailure(error);
      }
    });
}

async function collect({ data, olderThan, dryRun = false }: GcOptions): Promise<Collected> {
  const config = loadConfig({ dataDir: data });
  const { words, file } = databasePlace(config);
  if (file !== undefined && !existsSync(file)) throw new UsageError(`${words} is not there: no Kedge kept data here`);
  const retainedMs = retention(olderThan);
  const system = realSystem();
  const now = system.clock.now();
  const dataDir = openDataDir(config.dataDir);
  const db = new Database(await openSql(config, dataDir), system);
  try {
    const purged = await purgeDeleted({ db, context: CONTEXT, before: now - retainedMs, dryRun });
    const content = await collectGarbage({ db, blobs: await openBlobs(config, dataDir), now, dryRun });
    return { dryRun, purged, content };
  } finally {
    await db.close();
  }
}

function retention(text: string): number {
  try {
    return durationMs(text);
  } catch (error) {
    throw new UsageError(`--older-than: ${messageOf(error)}`);
  }
}

function wordsOf({ dryRun, purged, content }: Collected): string {
  const went = dryRun ? 'would be removed' : 'removed';
  const later = dryRun && purged.files > 0 ? '; what only they refer to would go as well' : '';
  return [
    `deleted long ago: ${counted(purged)} ${went}, with ${purged.files} files of ${formatBytes(purged.bytes)}`,
    `content that nothing refers to: ${amount(content.removed)} ${went}${later}`,
    `content kept: ${amount(content.kept)}; not referred to, but of the last 24 h: ${amount(content.recent)}`,
  ].join('\n');
}

function counted({ runs, loggedModels, experiments }: Purged): string {
  return `${runs} runs, ${loggedModels} logged models and ${experiments} experiments`;
}

function amount({ blobs, bytes }: Garbage['kept']): string {
  return `${blobs} pieces of ${formatBytes(bytes)}`;
}
