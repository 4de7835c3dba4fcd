import { Command } from 'commander';
import { approvalCommands } from './commands/approvals.ts';
import { auditCommands } from './commands/audit.ts';
import { backfillCommands } from './commands/backfill.ts';
import { bomCommand } from './commands/bom.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { experimentCommands } from './commands/experiments.ts';
import { gcCommand } from './commands/gc.ts';
import { goldenCommands } from './commands/golden.ts';
import { historyCommand } from './commands/history.ts';
import { importCommand } from './commands/import.ts';
import { lineageCommands } from './commands/lineage.ts';
import { loadtestCommand } from './commands/loadtest.ts';
import { loginCommands } from './commands/login.ts';
import { modelCommands } from './commands/models.ts';
import { pipelineCommands } from './commands/pipelines.ts';
import { predictCommand } from './commands/predict.ts';
import { resourceCommands } from './commands/resources.ts';
import { rolloutCommands } from './commands/rollouts.ts';
import { runCommands } from './commands/runs.ts';
import { scheduleCommands, triggerCommands } from './commands/schedules.ts';
import { signingCommands } from './commands/signing.ts';
import { testCommands } from './commands/test-pipeline.ts';
import { upCommand } from './commands/up.ts';
import { userCommands } from './commands/users.ts';
import { keyCommands } from './commands/users-keys.ts';
import { projectCommands } from './commands/users-projects.ts';
import { explainFailure } from './failure.ts';

const program = new Command('kedge')
  .description('The machine-learning production loop in one product.')
  .version('0.1.0')
  .showHelpAfterError();

upCommand(program);
resourceCommands(program);
runCommands(program);
pipelineCommands(program);
scheduleCommands(program);
triggerCommands(program);
backfillCommands(program);
testCommands(program);
lineageCommands(program);
experimentCommands(program);
modelCommands(program);
predictCommand(program);
rolloutCommands(program);
goldenCommands(program);
loadtestCommand(program);
approvalCommands(program);
signingCommands(program);
bomCommand(program);
auditCommands(program);
historyCommand(program);
userCommands(program);
keyCommands(program);
projectCommands(program);
loginCommands(program);
doctorCommand(program);
gcCommand(program);
importCommand(program);
configCommand(program);
demoCommand(program);

// Whoever reads the output may have read enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  await program.parseAsync(process.argv);
} catch (error) {
  explainFailure(error);
}
