import { Command } from 'commander';

type AddTo = (program: Command) => void;

/** A module of commands: what it adds at the top, or adds to, and how it is loaded. */
interface CommandModule {
  readonly names: readonly string[];
  readonly adders: () => Promise<readonly AddTo[]>;
}

/** In the order in which the help lists them. */
export const COMMAND_MODULES: readonly CommandModule[] = [
  { names: ['up'], adders: async () => [(await import('./commands/up.ts')).upCommand] },
  {
    names: ['apply', 'get', 'describe', 'delete'],
    adders: async () => [(await import('./commands/resources.ts')).resourceCommands],
  },
  { names: ['run', 'logs'], adders: async () => [(await import('./commands/runs.ts')).runCommands] },
  {
    names: ['pipelines', 'runs', 'reproduce', 'cache'],
    adders: async () => [(await import('./commands/pipelines.ts')).pipelineCommands],
  },
  {
    names: ['schedules', 'triggers'],
    adders: async () => {
      const room = await import('./commands/schedules.ts');
      return [room.scheduleCommands, room.triggerCommands];
    },
  },
  { names: ['backfill'], adders: async () => [(await import('./commands/backfill.ts')).backfillCommands] },
  { names: ['test'], adders: async () => [(await import('./commands/test-pipeline.ts')).testCommands] },
  { names: ['lineage'], adders: async () => [(await import('./commands/lineage.ts')).lineageCommands] },
  { names: ['experiments'], adders: async () => [(await import('./commands/experiments.ts')).experimentCommands] },
  { names: ['models', 'versions'], adders: async () => [(await import('./commands/models.ts')).modelCommands] },
  { names: ['predict'], adders: async () => [(await import('./commands/predict.ts')).predictCommand] },
  { names: ['predict-step'], adders: async () => [(await import('./commands/predict-step.ts')).predictStepCommand] },
  { names: ['endpoints'], adders: async () => [(await import('./commands/endpoints.ts')).endpointCommands] },
  { names: ['rollouts'], adders: async () => [(await import('./commands/rollouts.ts')).rolloutCommands] },
  { names: ['golden'], adders: async () => [(await import('./commands/golden.ts')).goldenCommands] },
  { names: ['loadtest'], adders: async () => [(await import('./commands/loadtest.ts')).loadtestCommand] },
  { names: ['approvals'], adders: async () => [(await import('./commands/approvals.ts')).approvalCommands] },
  { names: ['versions', 'signers'], adders: async () => [(await import('./commands/signing.ts')).signingCommands] },
  { names: ['versions'], adders: async () => [(await import('./commands/bom.ts')).bomCommand] },
  { names: ['audit'], adders: async () => [(await import('./commands/audit.ts')).auditCommands] },
  { names: ['history'], adders: async () => [(await import('./commands/history.ts')).historyCommand] },
  { names: ['users'], adders: async () => [(await import('./commands/users.ts')).userCommands] },
  { names: ['keys'], adders: async () => [(await import('./commands/users-keys.ts')).keyCommands] },
  { names: ['projects'], adders: async () => [(await import('./commands/users-projects.ts')).projectCommands] },
  { names: ['login', 'logout', 'whoami'], adders: async () => [(await import('./commands/login.ts')).loginCommands] },
  { names: ['doctor'], adders: async () => [(await import('./commands/doctor.ts')).doctorCommand] },
  { names: ['gc'], adders: async () => [(await import('./commands/gc.ts')).gcCommand] },
  { names: ['import'], adders: async () => [(await import('./commands/import.ts')).importCommand] },
  { names: ['config'], adders: async () => [(await import('./commands/config.ts')).configCommand] },
  { names: ['demo'], adders: async () => [(await import('./commands/demo.ts')).demoCommand] },
];

/**
 * The command line for the words after `kedge`. Only the modules of the command that they name are loaded, because
 * loading all takes three times as long and twice the memory, which `kedge up` would keep for as long as it runs.
 * Every module is loaded for the list of all commands, and to suggest one for a word that names none.
 */
export async function commandLine(words: readonly string[]): Promise<Command> {
  const named = COMMAND_MODULES.filter(({ names }) => names.includes(words[0] ?? ''));
  const modules = named.length > 0 ? named : COMMAND_MODULES;
  const program = new Command('kedge')
    .description('The machine-learning production loop in one product.')
    .version('0.1.0')
    .showHelpAfterError();
  const adders = await Promise.all(modules.map((one) => one.adders()));
  for (const add of adders.flat()) add(program);
  return program;
}
