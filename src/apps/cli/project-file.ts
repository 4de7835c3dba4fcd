import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { messageOf } from '#core/errors';
import { resourceDraft } from '#platform/resources/contract';
import { UsageError } from './failure.ts';

/** Resources as a file declares them, each with the place that a message about it should name. */
export interface ProjectFile {
  readonly path: string;
  readonly resources: readonly {
    readonly kind: string;
    readonly name: string;
    readonly spec: Record<string, unknown>;
  }[];
}

const projectSchema = z.object({ project: z.string(), resources: z.array(resourceDraft).min(1).max(1_000) });

/** Reads a project from TypeScript or JavaScript (its default export), YAML (a resource a document) or JSON. */
export async function readProjectFile(file: string): Promise<ProjectFile> {
  const path = resolve(file);
  const extension = extname(path);
  const reader = READERS[extension];
  if (!reader) throw new UsageError(`${file}: expected .ts, .js, .mjs, .yaml, .yml or .json, found '${extension}'`);
  const found = await reader(path).catch((error) => {
    throw new UsageError(`${file}: cannot be read: ${messageOf(error)}`);
  });
  const parsed = projectSchema.safeParse(found);
  if (!parsed.success) {
    const lines = parsed.error.issues.slice(0, 20).map((issue) => `  ${placeOf(found, issue.path)}: ${issue.message}`);
    throw new UsageError(`${file}: is not a project:\n${lines.join('\n')}`);
  }
  return { path, resources: parsed.data.resources };
}

const READERS: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  '.ts': importDefault,
  '.js': importDefault,
  '.mjs': importDefault,
  '.json': async (path) => asProject(JSON.parse(await readFile(path, 'utf8'))),
  '.yaml': readYaml,
  '.yml': readYaml,
};

async function importDefault(path: string): Promise<unknown> {
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  if (module.default === undefined) throw new Error('it has no default export: export default project(name, [...])');
  return module.default;
}

async function readYaml(path: string): Promise<unknown> {
  const documents = parseAllDocuments(await readFile(path, 'utf8'));
  const problem = [...documents].flatMap((document) => document.errors)[0];
  if (problem) throw new Error(problem.message);
  const values = [...documents].map((document) => document.toJS() as unknown);
  return values.length === 1 && isProject(values[0]) ? values[0] : asProject(values.flat());
}

function asProject(value: unknown): unknown {
  return isProject(value) ? value : { project: 'file', resources: Array.isArray(value) ? value : [value] };
}

function isProject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'resources' in value;
}

/** A path into the file with the resource named by kind and name where it has them. */
function placeOf(found: unknown, path: readonly PropertyKey[]): string {
  const [first, index, ...rest] = path;
  const resources = (found as { resources?: { kind?: unknown; name?: unknown }[] }).resources;
  const resource = first === 'resources' && typeof index === 'number' ? resources?.[index] : undefined;
  if (!resource) return path.join('.') || 'project';
  return [`resources.${String(index)} (${String(resource.kind)} '${String(resource.name)}')`, ...rest].join('.');
}
