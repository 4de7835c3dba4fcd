import { Command } from 'commander';
import { auditCommands } from './commands/audit.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { resourceCommands } from './commands/resources.ts';
import { runCommands } from './commands/runs.ts';
import { upCommand } from './commands/up.ts';
import { explainFailure } from './failure.ts';

const program = new Command('kedge')
  .description('The machine-learning production loop in one product.')
  .version('0.1.0')
  .showHelpAfterError();

upCommand(program);
resourceCommands(program);
runCommands(program);
auditCommands(program);
doctorCommand(program);
configCommand(program);
demoCommand(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  explainFailure(error);
}
