import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Command } from 'commander';
import { sqliteDamage } from '#adapters/sql/sqlite';
import { messageOf } from '#core/errors';
import { formatBytes } from '#core/units';
import { loadConfig } from '#platform/config';
import { printJson } from './connected.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

const FREE_BYTES_MIN = 1_073_741_824;

/** What a person would look at first when something does not work, each with what to do about it. */
export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check this machine and a data directory')
    .option('--data <dir>', 'data directory', './.kedge')
    .option('--json', 'answer as JSON')
    .action(async (options: { data: string; json?: boolean }) => {
      const findings = await examine(options.data);
      if (options.json) printJson(findings);
      else
        for (const { ok, check, detail } of findings)
          process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${check}: ${detail}\n`);
      process.exitCode = findings.every((finding) => finding.ok) ? 0 : 1;
    });
}

async function examine(dataDir: string): Promise<Finding[]> {
  return Promise.all([
    check('Node.js', async () => {
      if (Number(process.versions.node.split('.')[0]) < 24) throw new Error(`${process.version}; expected 24 or later`);
      return process.version;
    }),
    check('configuration', async () => `${Object.keys(loadConfig({ dataDir })).length} keys are valid`),
    check('model runtime', async () => {
      const { InferenceSession } = await import('onnxruntime-node');
      return `ONNX Runtime loads (${typeof InferenceSession.create})`;
    }),
    check('disk space', () => freeSpace(existsSync(dataDir) ? dataDir : '.')),
    check('database', () => databaseState(dataDir)),
    check('control plane', async () => {
      const { controlPlaneUrl } = loadConfig({ dataDir });
      return (await answers(controlPlaneUrl)) ? `answers at ${controlPlaneUrl}` : `not running at ${controlPlaneUrl}`;
    }),
  ]);
}

async function check(name: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { check: name, ok: true, detail: await work() };
  } catch (error) {
    return { check: name, ok: false, detail: messageOf(error) };
  }
}

async function freeSpace(path: string): Promise<string> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (free < FREE_BYTES_MIN)
    throw new Error(`${formatBytes(free)} free; expected at least ${formatBytes(FREE_BYTES_MIN)}`);
  return `${formatBytes(free)} free`;
}

/** Reads every page of the database, which is what finds damage that opening it does not. */
async function databaseState(dataDir: string): Promise<string> {
  const path = join(dataDir, 'kedge.sqlite');
  if (!existsSync(path)) return `${path} does not exist yet: kedge up makes it`;
  const damage = sqliteDamage(path);
  if (damage !== undefined) throw new Error(`${path}: ${damage}`);
  return `${path} is sound`;
}

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port) }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
