import type { Command } from 'commander';
import { explainFailure } from '../failure.ts';
import { type CommandOptions, connected } from './connected.ts';

/** `kedge test pipeline`: runs the cases of a project, or says what a run would do. */
export function testCommands(program: Command): void {
  const test = program.command('test').description('test what a project declares, on fixtures');
  connected(
    test
      .command('pipeline <file>')
      .description('run the cases beside a project file on a platform of their own; exit code 1 when one fails'),
  )
    .option('--cases <file>', 'the file with the cases, instead of <file>.test.yaml')
    .option('--case <name...>', 'only cases whose name has this in it')
    .option('--pipeline <name>', 'with --dry-run, the pipeline, if the project has several')
    .option('-p, --param <name=value...>', 'with --dry-run, a parameter')
    .option('--dry-run', 'run nothing: print the plan, what is cached on the control plane and why the rest runs')
    .action(async (file: string, options: CommandOptions) => {
      try {
        // The whole platform comes with it, which no other command has to load.
        const { dryRun, runCases } = await import('../../pipeline-test/command.ts');
        await (options['dryRun'] ? dryRun(file, options) : runCases(file, options));
      } catch (error) {
        explainFailure(error);
      }
    });
}
