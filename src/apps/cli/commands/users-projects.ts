import type { Command } from 'commander';
import { UsageError } from '../failure.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';

const LEVELS = ['READ', 'USE', 'EDIT', 'MANAGE'] as const;

/** Projects, which MLflow calls workspaces, and who holds which level in them. */
export function projectCommands(program: Command): void {
  const projects = program.command('projects').description('projects (MLflow: workspaces) and who may do what in them');
  connected(projects.command('list').description('list the projects in which one has anything')).action(
    withKedge(async (kedge, _args, options) => {
      const { items } = await kedge.session.listProjects();
      if (options.json) return printJson(items);
      const rows = items.map((item) => [
        item.name,
        item.level ?? '-',
        item.archived ? 'archived' : 'open',
        item.description,
      ]);
      process.stdout.write(`${formatTable(['project', 'level', 'state', 'description'], rows)}\n`);
    }),
  );
  connected(projects.command('add <name>').description('add a project; for administrators'))
    .option('--description <text>', 'what it is for', '')
    .action(
      withKedge(async (kedge, [name = ''], options) => {
        const body = { name, description: String(options['description']) };
        const project = await kedge.accounts.createProject({ body });
        if (options.json) return printJson(project);
        process.stdout.write(`added the project '${name}'\n`);
      }),
    );
  for (const [verb, archived] of [
    ['archive', true],
    ['restore', false],
  ] as const) {
    const what = archived ? 'let nobody into a project; nothing is lost' : 'open an archived project again';
    connected(projects.command(`${verb} <name>`).description(what)).action(
      withKedge(async (kedge, [project = '']) => {
        await kedge.accounts.updateProject({ params: { project }, body: { archived } });
        process.stdout.write(`${verb}d the project '${project}'\n`);
      }),
    );
  }
  grantCommands(projects);
}

function grantCommands(projects: Command): void {
  const onObject = (command: Command): Command =>
    connected(command)
      .option('--project <name>', 'the project', 'default')
      .option('--object <ref>', 'experiment/<id> or model/<name>; the whole project unless told');
  onObject(projects.command('grants').description('list who holds which level')).action(
    withKedge(async (kedge, _args, options) => {
      const { items } = await kedge.session.listGrants({ params: paramsOf(options), query: objectOf(options) });
      if (options.json) return printJson(items);
      const rows = items.map((grant) => [grant.principal, grant.level, grant.object ?? `project ${grant.project}`]);
      process.stdout.write(`${formatTable(['who', 'level', 'on'], rows)}\n`);
    }),
  );
  onObject(
    projects.command('grant <principal> <level>').description('grant user:<name> or group:<name> READ … MANAGE'),
  ).action(
    withKedge(async (kedge, [principal = '', text = ''], options) => {
      const level = LEVELS.find((each) => each === text.toUpperCase());
      if (!level) throw new UsageError(`level ${text}: expected ${LEVELS.join(', ')}`);
      const body = { principal, level, ...objectOf(options) };
      const grant = await kedge.session.putGrant({ params: paramsOf(options), body });
      if (options.json) return printJson(grant);
      process.stdout.write(`${principal} holds ${level} on ${grant.object ?? `the project '${grant.project}'`}\n`);
    }),
  );
  onObject(projects.command('revoke <principal>').description('take back what was granted, at once')).action(
    withKedge(async (kedge, [principal = ''], options) => {
      const params = { ...paramsOf(options), principal };
      const grant = await kedge.session.deleteGrant({ params, query: objectOf(options) });
      if (options.json) return printJson(grant);
      process.stdout.write(`${principal} no longer holds ${grant.level} by this grant\n`);
    }),
  );
}

function paramsOf(options: CommandOptions): { readonly project: string } {
  return { project: String(options['project']) };
}

function objectOf(options: CommandOptions): { readonly object?: string } {
  return options['object'] === undefined ? {} : { object: String(options['object']) };
}
