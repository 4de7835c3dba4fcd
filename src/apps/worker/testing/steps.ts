import { spawn } from 'node:child_process';
import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StepContext } from '#pipelines';
import { double } from './steps-arithmetic.ts';

/** Step functions as a project would have them, one for each way in which a step can behave. */

export function prepare({ params, output, progress, metric, log }: StepContext): { readonly rows: number } {
  const rows = Number(params['rows']);
  progress(1, 2, 'writing');
  log('writing', rows, 'rows');
  writeFileSync(output('numbers.json'), JSON.stringify(Array.from({ length: rows }, (_, i) => i)));
  metric('rows', rows);
  return { rows };
}

export function train({ inputs, output, seed }: StepContext): { readonly sum: number } {
  const numbers: number[] = JSON.parse(readFileSync(inputs['numbers'] ?? '', 'utf8'));
  const sum = numbers.reduce((total, n) => total + double(n), 0);
  writeFileSync(output('model.txt'), `sum ${sum} seed ${seed}`);
  return { sum };
}

/** Writes the directory that it reads. */
export function copiesDirectory({ inputs, output }: StepContext): void {
  cpSync(inputs['model'] ?? '', output('copy'), { recursive: true });
}

/** The files of each directory of a list. */
export function listsDirectories({ inputs }: StepContext): readonly (readonly string[])[] {
  const { blobs } = JSON.parse(readFileSync(inputs['parts'] ?? '', 'utf8')) as { blobs: readonly { path: string }[] };
  return blobs.map(({ path }) =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(path.length + 1)),
  );
}

export function fails(): never {
  throw new TypeError('the label column is missing');
}

/** Fails as often as `params.times` says, counting in the file `params.counter`. */
export function flaky({ params }: StepContext): { readonly calls: number } {
  const path = String(params['counter']);
  appendFileSync(path, '.');
  const calls = readFileSync(path, 'utf8').length;
  if (calls <= Number(params['times'])) throw new Error(`call ${calls}`);
  return { calls };
}

export function writesNothing(): void {}

export function returnsFunction(): () => void {
  return () => {};
}

/** Says on the file `params.started` that it runs, with the process ids of itself and its child, and never ends. */
export async function hangs({ params }: StepContext): Promise<void> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  appendFileSync(String(params['started']), `${process.pid} ${child.pid}\n`);
  await sleep(600_000);
}

/** Notes its start in `params.started`; ends once the file `params.go` exists. */
export async function waits({ params, output }: StepContext): Promise<void> {
  appendFileSync(String(params['started']), `${process.pid}\n`);
  for (;;) {
    try {
      writeFileSync(output('answer'), readFileSync(String(params['go'])));
      return;
    } catch {
      await sleep(20);
    }
  }
}

export function killsItself(): void {
  process.kill(process.pid, 'SIGKILL');
}

export function exits(): void {
  process.exit(7);
}
