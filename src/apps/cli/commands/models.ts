import type { Command } from 'commander';
import type { Kedge } from '#client';
import { messageOf } from '#core/errors';
import type { Json } from '#core/json';
import type { Page } from '#platform/contract';
import { UsageError } from '../failure.ts';
import { textOf } from '../read-file.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connectedInProject, modelKeyOf, printJson, withKedge } from './connected.ts';
import { memoryCommands } from './models-memory.ts';
import { versionsGroup } from './signing.ts';
import { versionNamed } from './version-name.ts';

const STAGES = ['Proposal', 'Development', 'QA', 'PreProduction', 'Production', 'Archived'] as const;

/** `kedge models`, with what gateways have in memory, and in the group `kedge versions` what is done to one version. */
export function modelCommands(program: Command): void {
  const models = program.command('models').description('list registered models, and load them into gateways');
  connectedInProject(models.command('list', { isDefault: true }).description('list registered models'))
    .option('--filter <filter>', 'which ones, as in "tags.team = \'risk\'"')
    .action(
      withKedge(async (kedge, _args, options) => {
        const filter = options['filter'] as string | undefined;
        const query = filter === undefined ? {} : { filter };
        const items = await everyItem((after) => kedge.registry.listModels({ query: { ...query, ...after } }));
        if (options.json) return printJson(items);
        const rows = items.map((model) => [model.name, model.lastVersion, aliasesOf(model.aliases), model.description]);
        process.stdout.write(`${formatTable(['model', 'last', 'aliases', 'description'], rows)}\n`);
      }),
    );
  memoryCommands(models);
  const versions = versionsGroup(program);
  connectedInProject(versions.command('list <model>').description('list the versions of a model, newest first')).action(
    withKedge(async (kedge, [model = ''], options) => {
      const params = { model };
      const items = await everyItem((after) => kedge.registry.listVersions({ params, query: after }));
      if (options.json) return printJson(items);
      const rows = items.map((one) => [
        ...[one.version, one.semanticVersion, one.stage, one.stageStatus],
        ...[one.aliases.join(' '), one.runId, one.createdBy],
      ]);
      const header = ['version', 'semantic', 'stage', 'status', 'aliases', 'run', 'by'];
      process.stdout.write(`${formatTable(header, rows)}\n`);
    }),
  );
  stageCommand(versions);
  aliasCommand(versions);
  evidenceCommand(versions);
  checkCommand(versions);
}

function stageCommand(versions: Command): void {
  connectedInProject(
    versions.command('stage <version> <stage>').description('move a version, such as delays@3, to a stage'),
  )
    .option('--reason <text>', 'why', '')
    .option('--archive-others', 'archive the other versions of that stage')
    .action(
      withKedge(async (kedge, [name = '', to = ''], options) => {
        const archiveOthers = options['archiveOthers'] === true;
        const body = { stage: stageNamed(to), reason: String(options['reason']), archiveOthers };
        const version = await kedge.registry.setStage({ params: versionNamed(name), body });
        if (options.json) return printJson(version);
        process.stdout.write(`${name} is in ${version.stage} (${version.stageStatus})\n`);
      }),
    );
}

function aliasCommand(versions: Command): void {
  connectedInProject(
    versions.command('alias <version> <alias>').description('give a version, such as delays@3, an alias'),
  )
    .option('--reason <text>', 'why', '')
    .action(
      withKedge(async (kedge, [name = '', alias = ''], options) => {
        const { model, version } = versionNamed(name);
        const body = { version, reason: String(options['reason']) };
        const moved = await kedge.registry.moveAlias({ params: { model, alias }, body });
        if (options.json) return printJson(moved);
        process.stdout.write(`${name} has the aliases ${moved.aliases.join(', ')}\n`);
      }),
    );
}

function evidenceCommand(versions: Command): void {
  const words = 'list what was found out about a version, or record a finding of this kind';
  connectedInProject(versions.command('evidence <version> [kind]').description(words))
    .option('--file <path>', 'its data, as JSON')
    .option('--summary <text>', 'its data, in one sentence')
    .option('--passed', 'it is a check that passed')
    .option('--failed', 'it is a check that failed')
    .action(
      withKedge(async (kedge, [name = '', kind], options) => {
        const params = versionNamed(name);
        if (kind === undefined) return listEvidence(kedge, params, options);
        if (options['passed'] && options['failed']) throw new UsageError('give one of --passed and --failed');
        const passed = options['passed'] ? true : options['failed'] ? false : null;
        const body = { kind, passed, data: await dataFrom(options) };
        const evidence = await kedge.registry.addEvidence({ params, body });
        if (options.json) return printJson(evidence);
        process.stdout.write(`recorded ${kind} about ${name} as ${evidence.id}\n`);
      }),
    );
}

async function listEvidence(
  kedge: Kedge,
  params: ReturnType<typeof versionNamed>,
  options: CommandOptions,
): Promise<void> {
  const { items } = await kedge.registry.listEvidence({ params });
  if (options.json) return printJson(items);
  const rows = items.map(({ kind, passed, data, by, at }) => [
    ...[kind, passed === null ? null : passed ? 'passed' : 'failed'],
    ...[summaryOf(data), by, new Date(at).toISOString()],
  ]);
  process.stdout.write(`${formatTable(['kind', 'verdict', 'summary', 'by', 'at'], rows)}\n`);
}

function summaryOf(data: Json): string | null {
  const isObject = data !== null && typeof data === 'object' && !Array.isArray(data);
  const { summary, reason } = isObject ? (data as { readonly [key: string]: Json }) : {};
  const text = summary ?? reason;
  return typeof text === 'string' ? text : null;
}

async function dataFrom(options: CommandOptions): Promise<Json> {
  const [file, summary] = [options['file'], options['summary']];
  const read = typeof file === 'string' ? parsed(file, await textOf(file)) : {};
  if (typeof summary !== 'string') return read;
  if (read !== null && typeof read === 'object' && !Array.isArray(read)) return { ...read, summary };
  throw new UsageError(`--summary goes with an object, and ${String(file)} holds none`);
}

function parsed(file: string, text: string): Json {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--file ${file} is not JSON: ${messageOf(error)}`);
  }
}

function checkCommand(versions: Command): void {
  connectedInProject(
    versions.command('check <version>').description('tell what a version lacks for a stage or an alias'),
  )
    .option('--alias <alias>', 'for this alias')
    .option('--stage <stage>', 'for this stage', 'Production')
    .action(
      withKedge(async (kedge, [name = ''], options) => {
        const { model, version } = versionNamed(name);
        const of = { model: modelKeyOf(model, options), version };
        const list = await kedge.governance.gateChecklist({ query: { ...of, ...placeOf(options) } });
        process.exitCode = list.allow ? 0 : 1;
        if (options.json) return printJson(list);
        const rows = list.items.map((item) => [item.met ? 'ok' : 'missing', item.policy, item.text]);
        process.stdout.write(
          rows.length > 0 ? `${formatTable(['', 'policy', 'item'], rows)}\n` : 'no policy applies\n',
        );
      }),
    );
}

/** The place that a version is checked or approved for. */
export function placeOf(options: CommandOptions) {
  const alias = options['alias'];
  if (typeof alias === 'string') return { transition: 'alias', target: alias } as const;
  return { transition: 'stage', target: stageNamed(String(options['stage'])) } as const;
}

/** A stage in any case. */
function stageNamed(text: string): (typeof STAGES)[number] {
  const stage = STAGES.find((one) => one.toLowerCase() === text.toLowerCase());
  if (stage) return stage;
  throw new UsageError(`stage '${text}': expected one of ${STAGES.join(', ')}`);
}

/** Of all pages. */
export async function everyItem<T>(pageAfter: (query: { readonly after?: string }) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page: Page<T> = await pageAfter(after === '' ? {} : { after });
    items.push(...page.items);
    after = page.next;
  }
  return items;
}

function aliasesOf(aliases: Readonly<Record<string, number>>): string {
  return Object.entries(aliases)
    .map(([alias, version]) => `${alias}=${version}`)
    .join(' ');
}
