import { repositoryRoot } from '../bootstrap.mjs';
import { longestFirst } from './longest-first.ts';
import { SelectionError, type StepName, select } from './selection.ts';
import { runStep } from './steps.ts';
import { Tally } from './tally.ts';
import { runTestFiles } from './test-files.ts';

/** Runs what the arguments select; see {@link select}. The exit code says whether everything held. */
async function main(args: readonly string[]): Promise<number> {
  const root = repositoryRoot;
  const tally = new Tally({ strict: process.env['KEDGE_CI'] === 'strict' });
  const say = (text: string) => console.log(text);
  const { steps, files } = select(root, args);
  const tidy = files.filter((file) => file.startsWith('test/tidy/'));
  await timed(tidy.length > 0, 'tidy', () => runTestFiles(tidy, { root, tally, say }));
  const rest = longestFirst(files.filter((file) => !tidy.includes(file)));
  await timed(steps.includes('console'), 'console', () => runStep('console', tally, say));
  await Promise.all([
    timed(rest.length > 0, `${rest.length} test files`, () => runTestFiles(rest, { root, tally, say })),
    runSteps(steps.filter((name) => name !== 'console')),
  ]);
  say(tally.summary());
  return tally.exitCode;

  /** One after the other, beside the tests: the first of those wait for others most of their time. */
  async function runSteps(names: readonly StepName[]): Promise<void> {
    for (const name of names) await timed(true, name, () => runStep(name, tally, say));
  }

  async function timed(wanted: boolean, name: string, work: () => Promise<void>): Promise<void> {
    if (!wanted) return;
    const startedMs = performance.now();
    await work();
    say(`${name}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SelectionError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
