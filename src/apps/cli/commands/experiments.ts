import type { Command } from 'commander';
import type { Kedge } from '#client';
import { UsageError } from '../failure.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connectedInProject, printJson, withKedge } from './connected.ts';
import { everyItem } from './models.ts';

const LIFECYCLES = ['active', 'deleted'] as const;

/** `kedge experiments`: an experiment is named by its id or, where no id is like that, by its name. */
export function experimentCommands(program: Command): void {
  const experiments = program.command('experiments').description('list, create, delete and restore experiments');
  listCommand(experiments);
  connectedInProject(experiments.command('get <experiment>').description('describe an experiment')).action(
    withKedge(async (kedge, [named = ''], options) => {
      const params = { experiment: await idOf(kedge, named) };
      const found = await kedge.tracking.getExperiment({ params });
      const { runs } = await kedge.tracking.countRuns({ params });
      if (options.json) return printJson({ ...found, runs });
      const tags = Object.entries(found.tags).map(([key, value]) => [`tag ${key}`, value]);
      const rows = [
        ['id', found.id],
        ['name', found.name],
        ['lifecycle', found.lifecycle],
        ['project', found.project],
        ['created', `${new Date(found.createdAt).toISOString()} by ${found.createdBy}`],
        ['files', found.artifactLocation],
        ['active runs', String(runs)],
        ...tags,
      ];
      process.stdout.write(`${formatTable(['field', 'value'], rows)}\n`);
    }),
  );
  connectedInProject(experiments.command('create <name>').description('create an experiment, or find it')).action(
    withKedge(async (kedge, [name = ''], options) => {
      const made = await kedge.tracking.ensureExperiment({ body: { name } });
      if (options.json) return printJson(made);
      process.stdout.write(`experiment ${made.id} is '${made.name}'\n`);
    }),
  );
  lifecycleCommand(experiments, 'delete', 'delete an experiment and its runs; kedge gc removes them for ever later');
  lifecycleCommand(experiments, 'restore', 'restore an experiment with the runs that were deleted along with it');
}

function listCommand(experiments: Command): void {
  connectedInProject(experiments.command('list', { isDefault: true }).description('list experiments, newest first'))
    .option('--lifecycle <lifecycle>', LIFECYCLES.join(' or '), 'active')
    .action(
      withKedge(async (kedge, _args, options) => {
        const lifecycle = lifecycleOf(options);
        const items = await everyItem((after) =>
          kedge.tracking.listExperiments({ query: { lifecycle, limit: 1_000, ...after } }),
        );
        if (options.json) return printJson(items);
        const rows = items.map((one) => [one.id, one.name, one.createdBy, new Date(one.createdAt).toISOString()]);
        process.stdout.write(`${formatTable(['id', 'name', 'by', 'created'], rows)}\n`);
      }),
    );
}

function lifecycleCommand(experiments: Command, verb: 'delete' | 'restore', words: string): void {
  connectedInProject(experiments.command(`${verb} <experiment>`).description(words)).action(
    withKedge(async (kedge, [named = ''], options) => {
      const params = { experiment: await idOf(kedge, named) };
      const { deleteExperiment, restoreExperiment } = kedge.tracking;
      const changed = await (verb === 'delete' ? deleteExperiment : restoreExperiment)({ params });
      if (options.json) return printJson(changed);
      process.stdout.write(`experiment ${changed.id} ('${changed.name}') is ${changed.lifecycle}\n`);
    }),
  );
}

function lifecycleOf(options: CommandOptions): (typeof LIFECYCLES)[number] {
  const lifecycle = LIFECYCLES.find((one) => one === options['lifecycle']);
  if (lifecycle) return lifecycle;
  throw new UsageError(`--lifecycle ${String(options['lifecycle'])}: expected ${LIFECYCLES.join(' or ')}`);
}

async function idOf(kedge: Kedge, named: string): Promise<string> {
  for (const lifecycle of LIFECYCLES) {
    const { items } = await kedge.tracking.listExperiments({ query: { name: named, lifecycle } });
    if (items[0]) return items[0].id;
  }
  return named;
}
