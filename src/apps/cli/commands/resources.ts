import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { Kedge } from '#client';
import { canonicalJson } from '#core/json';
import { packCode, packFiles } from '#pipelines';
import { CODE_MEDIA_TYPE, FILE_MEDIA_TYPE } from '#pipelines/contract';
import { ProblemError } from '#platform/contract';
import type { ResourceChange, ResourceDraft } from '#platform/resources/contract';
import { UsageError } from '../failure.ts';
import { readProjectFile } from '../project-file.ts';
import { sourceFor, sourceOf } from '../project-source.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';

const SIGNS: Readonly<Record<ResourceChange['change'], string>> = { create: '+', change: '~', none: '=', delete: '-' };

export function resourceCommands(program: Command): void {
  connected(
    program.command('apply <file>').description('declare the resources of a project file; changes only what differs'),
  )
    .option('--dry-run', 'only say what would change')
    .action(withKedge(async (kedge, [file], options) => apply(kedge, file, options)));
  connected(
    program.command('get <kind>').description('list resources of a kind: dataset, feature-view, pipeline, …'),
  ).action(
    withKedge(async (kedge, [kind], options) => {
      const { items } = await kedge.resources.listResources({ query: { kind } });
      if (options.json) return printJson(items);
      // Of what is registered as a version, which one it is now.
      const named = items.some(({ status }) => 'revision' in status || 'error' in status);
      const rows = items.map(({ name, generation, updatedAt, status }) => [
        ...[name, generation, new Date(updatedAt).toISOString()],
        ...(named ? [String(status['error'] ?? status['revision'] ?? '').slice(0, 80)] : []),
      ]);
      const head = ['name', 'generation', 'updated', ...(named ? ['revision'] : [])];
      process.stdout.write(`${formatTable(head, rows)}\n`);
    }),
  );
  connected(
    program.command('describe <kind> <name>').description('show what was declared and what was observed'),
  ).action(
    withKedge(async (kedge, [kind = '', name = '']) =>
      printJson(await kedge.resources.getResource({ params: { kind, name } })),
    ),
  );
  connected(program.command('delete <kind> <name>').description('delete a resource; what it produced stays')).action(
    withKedge(async (kedge, [kind = '', name = '']) => {
      await kedge.resources.deleteResource({ params: { kind, name } });
      process.stdout.write(`deleted ${kind} '${name}'\n`);
    }),
  );
}

/** Applies a project file: packs code and files of its pipelines, sends everything, prints the plan. */
export async function apply(kedge: Kedge, file = '', options: CommandOptions = {}): Promise<readonly ResourceChange[]> {
  const project = await readProjectFile(file);
  const folder = dirname(project.path);
  const packed = await withFiles(kedge, await withCode(kedge, project.resources, folder), folder);
  const resources = await withSource(kedge, packed, project.path);
  const changes = await applied(kedge, resources, { file, dryRun: options['dryRun'] === true });
  if (options.json) printJson(changes);
  else process.stdout.write(changes.map(lineOf).join(''));
  return changes;
}

async function applied(
  kedge: Kedge,
  resources: readonly ResourceDraft[],
  { file, dryRun }: { readonly file: string; readonly dryRun: boolean },
): Promise<readonly ResourceChange[]> {
  try {
    return (await kedge.resources.applyResources({ body: { resources: [...resources], dryRun } })).changes;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const fields = error.problem.fields
      ?.map(({ path, message }) => `\n  ${named(path, resources)}: ${message}`)
      .join('');
    throw new UsageError(`${file}: ${fields ? `is refused [${error.code}]${fields}` : `${error.message}`}`);
  }
}

/** `resources.3.spec.window` as `resources.3 (monitor 'quality').spec.window`. */
function named(path: string, resources: readonly ResourceDraft[]): string {
  return path.replace(/^(?:body\.)?resources\.(\d+)/, (whole, index: string) => {
    const resource = resources[Number(index)];
    return resource ? `${whole} (${resource.kind} '${resource.name}')` : whole;
  });
}

/** Pipelines whose steps are functions get the code beside the project file as a bundle, known by its digest. */
async function withCode(
  kedge: Kedge,
  resources: readonly ResourceDraft[],
  directory: string,
): Promise<ResourceDraft[]> {
  const result: ResourceDraft[] = [];
  for (const resource of resources) {
    const modules = modulesOf(resource);
    if (modules.length === 0 || resource.spec['code'] !== undefined) {
      result.push(resource);
      continue;
    }
    const roots = modules.map((module) => join(directory, module));
    const { files } = await packCode(roots, { projectDir: directory });
    const { digest } = await kedge.pipelines.putPipelineCode({
      upload: { contentType: CODE_MEDIA_TYPE, bytes: new TextEncoder().encode(canonicalJson({ files })) },
    });
    result.push({ ...resource, spec: { ...resource.spec, code: digest } });
  }
  return result;
}

/** Steps name what commands read beside the project file by digest, and the control plane has it. */
async function withFiles(
  kedge: Kedge,
  resources: readonly ResourceDraft[],
  directory: string,
): Promise<ResourceDraft[]> {
  const sent = new Set<string>();
  const result: ResourceDraft[] = [];
  for (const resource of resources) {
    if (resource.kind !== 'pipeline') {
      result.push(resource);
      continue;
    }
    const { spec, contents } = await packFiles(resource, directory);
    for (const [digest, bytes] of contents) {
      if (sent.has(digest)) continue;
      await kedge.pipelines.putPipelineFile({ upload: { contentType: FILE_MEDIA_TYPE, bytes } });
      sent.add(digest);
    }
    result.push({ ...resource, spec: { ...spec } });
  }
  return result;
}

/** Pipelines say where they come from, for the records of their runs. */
async function withSource(kedge: Kedge, resources: readonly ResourceDraft[], file: string): Promise<ResourceDraft[]> {
  const found = resources.some(({ kind }) => kind === 'pipeline') ? await sourceOf(file) : undefined;
  if (!found) return [...resources];
  const { items } = await kedge.resources.listResources({ query: { kind: 'pipeline' } });
  const declared = new Map(items.map(({ name, spec }) => [name, spec]));
  return resources.map((resource) => {
    if (resource.kind !== 'pipeline' || resource.spec['source'] !== undefined) return resource;
    const source = sourceFor(resource.spec, declared.get(resource.name), found);
    return { ...resource, spec: { ...resource.spec, source } };
  });
}

function modulesOf({ kind, spec }: ResourceDraft): string[] {
  const steps = kind === 'pipeline' && Array.isArray(spec['steps']) ? spec['steps'] : [];
  const modules = steps.map((step: { function?: { module?: unknown } }) => step?.function?.module);
  return [...new Set(modules.filter((module): module is string => typeof module === 'string'))];
}

function lineOf(change: ResourceChange): string {
  const fields = change.change === 'change' ? `  (${change.fields.join(', ')})` : '';
  return `${SIGNS[change.change]} ${change.kind} ${change.name}${fields}\n`;
}
