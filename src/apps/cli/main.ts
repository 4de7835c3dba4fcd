import { commandLine } from './command-line.ts';
import { explainFailure } from './failure.ts';

// Whoever reads the output may have read enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  const program = await commandLine(process.argv.slice(2));
  await program.parseAsync(process.argv);
} catch (error) {
  explainFailure(error);
}
