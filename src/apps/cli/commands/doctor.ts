import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Command } from 'commander';
import { sqliteDamage } from '#adapters/sql/sqlite';
import { messageOf } from '#core/errors';
import { formatBytes } from '#core/units';
import { type Config, loadConfig } from '#platform/config';
import { openSql } from '../../stores.ts';
import type { ConnectionOptions } from '../connection.ts';
import { databasePlace } from '../database-place.ts';
import { printJson } from './connected.ts';
import { type Finding, processFindings } from './doctor-processes.ts';

const FREE_BYTES_MIN = 1_073_741_824;
const MARKS = { ok: 'ok  ', failed: 'FAIL', 'not-running': '--  ' } as const;

/** What a person would look at first when something does not work, each with what to do about it. */
export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check this machine, a data directory and the processes that work on it')
    .option('--data <dir>', 'data directory')
    .option('--url <url>', 'address at which a control plane has to answer')
    .option('--token <token>', 'token to present there, if not that of the data directory')
    .option('--json', 'answer as JSON')
    .action(async (options: ConnectionOptions & { readonly json?: boolean }) => {
      const findings = await examine(options);
      if (options.json) printJson(findings);
      else
        for (const { status, check, detail } of findings) {
          process.stdout.write(`${MARKS[status]}  ${check}: ${detail}\n`);
        }
      process.exitCode = findings.some(({ status }) => status === 'failed') ? 1 : 0;
    });
}

async function examine(options: ConnectionOptions): Promise<Finding[]> {
  const config = (): Config => loadConfig({ dataDir: options.data });
  const machine = await Promise.all([
    check('Node.js', async () => {
      if (Number(process.versions.node.split('.')[0]) < 24) throw new Error(`${process.version}; expected 24 or later`);
      return process.version;
    }),
    check('configuration', async () => `${Object.keys(config()).length} keys are valid`),
    check('model runtime', async () => {
      const { InferenceSession } = await import('onnxruntime-node');
      return `ONNX Runtime loads (${typeof InferenceSession.create})`;
    }),
    check('disk space', () => freeSpace(config().dataDir)),
    check('database', () => databaseState(config())),
  ]);
  // Without a configuration nobody knows where processes should be.
  const usable = machine.every((finding) => finding.check !== 'configuration' || finding.status === 'ok');
  return usable ? [...machine, ...(await processFindings(options))] : machine;
}

async function check(name: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { check: name, status: 'ok', detail: await work() };
  } catch (error) {
    return { check: name, status: 'failed', detail: messageOf(error) };
  }
}

async function freeSpace(dataDir: string): Promise<string> {
  const { bavail, bsize } = await statfs(existsSync(dataDir) ? dataDir : '.');
  const free = bavail * bsize;
  if (free < FREE_BYTES_MIN)
    throw new Error(`${formatBytes(free)} free; expected at least ${formatBytes(FREE_BYTES_MIN)}`);
  return `${formatBytes(free)} free`;
}

/** Reads every page of a file, which is what finds damage that opening it does not. A server looks after its own. */
async function databaseState(config: Config): Promise<string> {
  const { file, words } = databasePlace(config);
  if (file === undefined) {
    const store = await openSql(config, { database: '' });
    await store.close();
    return `${words} answers`;
  }
  if (!existsSync(file)) return `${file} does not exist yet: kedge up makes it`;
  const damage = sqliteDamage(file);
  if (damage !== undefined) throw new Error(`${file}: ${damage}`);
  return `${file} is sound`;
}
