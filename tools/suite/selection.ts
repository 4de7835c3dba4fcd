import { existsSync, globSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** The steps of `npm test` that are not test files, in the order in which they run. */
export const stepNames = ['console', 'typecheck', 'lint', 'knip'] as const;
export type StepName = (typeof stepNames)[number];

/** What one run of the suite does. `tidy` files run first: they are the fastest to tell that something is wrong. */
export interface Selection {
  readonly steps: readonly StepName[];
  readonly files: readonly string[];
}

/** An argument that selects nothing; the message says which. */
export class SelectionError extends Error {
  override readonly name = 'SelectionError';
}

const testFolders = ['src', 'test', 'examples', 'sim', 'tools', 'bench', 'ui'];

/** Every test file below `root`, as sorted relative paths with forward slashes. */
export function findTestFiles(root: string): string[] {
  const patterns = testFolders.map((folder) => `${folder}/**/*.test.ts`);
  const exclude = (path: string) => /(^|[\\/])(node_modules|fixtures|dist)$/.test(path);
  return globSync(patterns, { cwd: root, exclude })
    .map((path) => path.split(sep).join('/'))
    .sort();
}

/**
 * Chooses what to run. Without arguments: everything. An argument is the name of a step, `tidy`, a test file, or a
 * folder or path prefix of test files; a source file selects the test beside it.
 *
 * @throws SelectionError for an argument that selects nothing, so that a misspelt path never looks like a success
 */
export function select(root: string, args: readonly string[]): Selection {
  const all = findTestFiles(root);
  if (args.length === 0) return { steps: stepNames, files: tidyFirst(all) };
  const steps = new Set<StepName>();
  const files = new Set<string>();
  for (const arg of args) {
    const step = stepNames.find((name) => name === arg);
    if (step) steps.add(step);
    else for (const file of filesFor(root, arg, all)) files.add(file);
  }
  if ([...files].some((file) => file.startsWith('test/browser/'))) steps.add('console');
  return { steps: stepNames.filter((name) => steps.has(name)), files: tidyFirst([...files].sort()) };
}

function filesFor(root: string, arg: string, all: readonly string[]): string[] {
  if (arg.startsWith('-')) throw new SelectionError(`unknown flag ${arg}; name a step (${names()}) or a path`);
  if (arg === 'tidy') return all.filter(isTidy);
  const path = relative(root, join(root, arg)).split(sep).join('/');
  const absolute = join(root, path);
  const isFolder = existsSync(absolute) && statSync(absolute).isDirectory();
  const beside = path.replace(/\.tsx?$/, '.test.ts');
  const found = all.filter((file) =>
    isFolder ? file.startsWith(`${path}/`) : file.startsWith(path) || file === beside,
  );
  if (found.length === 0) throw new SelectionError(`no test file under '${arg}'; name a step (${names()}) or a path`);
  return found;
}

function names(): string {
  return ['tidy', ...stepNames].join(', ');
}

function isTidy(file: string): boolean {
  return file.startsWith('test/tidy/');
}

function tidyFirst(files: readonly string[]): string[] {
  return [...files.filter(isTidy), ...files.filter((file) => !isTidy(file))];
}
