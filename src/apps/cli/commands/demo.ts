import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { explainFailure } from '../failure.ts';

const DEMO = fileURLToPath(new URL('../../../../examples/flights/demo/main.ts', import.meta.url));

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description('play half a year of real flights through the whole loop, in a few minutes')
    .option('--quick', 'the first acts only, in less than a minute')
    .option('--gate-off', 'without the expectation that holds the broken reports of May, to see what it is worth')
    .option('--seed <number>', 'which flights are sampled as requests', '1')
    .option('--report <file>', 'write every figure as JSON')
    .option('--data <dir>', 'data directory; a temporary one unless told')
    .option('--keep', 'leave the platform up at the end, with the console showing it all')
    .action(async (options: Record<string, string | boolean | undefined>) => {
      try {
        const { playDemo } = (await import(pathToFileURL(DEMO).href)) as {
          playDemo(options: Record<string, string | boolean | undefined>): Promise<void>;
        };
        await playDemo(options);
      } catch (error) {
        explainFailure(error);
      }
    });
}
