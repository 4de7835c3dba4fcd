import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#core/errors';
import { nodeFlags } from '../bootstrap/node-binary.mjs';
import { ensureConsole, repositoryRoot } from '../bootstrap.mjs';
import type { StepName } from './selection.ts';
import type { Tally } from './tally.ts';

const stepTimeoutMs = 10 * 60_000;

/** Each command of a step: a script below node_modules, then its arguments. */
const commands: Readonly<Record<Exclude<StepName, 'console'>, readonly (readonly string[])[]>> = {
  typecheck: ['tsconfig.json', 'ui/tsconfig.json']
    .filter((project) => existsSync(join(repositoryRoot, project)))
    .map((project) => ['typescript/bin/tsc', '--noEmit', '-p', project]),
  lint: [['@biomejs/biome/bin/biome', 'ci', '--colors=off', '--max-diagnostics=40', '.']],
  knip: [['knip/bin/knip.js', '--no-progress', '--no-config-hints']],
};

/** Runs one step that is not a test file; it counts as one test. */
export async function runStep(name: StepName, tally: Tally, say: (text: string) => void): Promise<void> {
  const problem = name === 'console' ? await buildConsole() : await runCommand(name);
  if (problem === undefined) return tally.pass();
  tally.fail({ name, file: '', message: problem });
  say(`✗ ${name}\n${problem}`);
}

async function buildConsole(): Promise<string | undefined> {
  try {
    await ensureConsole();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function runCommand(name: keyof typeof commands): Promise<string | undefined> {
  const problems: string[] = [];
  for (const [script = '', ...args] of commands[name]) {
    const { code, output } = await run(join(repositoryRoot, 'node_modules', script), args);
    if (code !== 0) problems.push(`exit ${code}\n${output.trim()}`);
  }
  return problems.length > 0 ? problems.join('\n') : undefined;
}

function run(script: string, args: readonly string[]): Promise<{ code: number | string; output: string }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const child = spawn(process.execPath, [...nodeFlags, script, ...args], {
      cwd: repositoryRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: stepTimeoutMs,
    });
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => resolve({ code: error.message, output: '' }));
    child.on('close', (code, signal) =>
      resolve({ code: code ?? signal ?? 1, output: Buffer.concat(chunks).toString() }),
    );
  });
}
