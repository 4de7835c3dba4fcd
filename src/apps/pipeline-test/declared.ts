import { dirname, join } from 'node:path';
import { KedgeError } from '#core/errors';
import { type CodeBundle, type PackedFiles, type PipelineSpec, packCode, packFiles } from '#pipelines';
import { pipelineSpec } from '#pipelines/contract';
import type { ProjectFile } from '../cli/project-file.ts';
import { PipelineTestError } from './fixtures.ts';

export interface DeclaredPipeline {
  readonly name: string;
  readonly spec: PipelineSpec;
  /** The modules of its step functions, unless it has none or names a bundle itself. */
  readonly bundle: CodeBundle | undefined;
  /** What the files of its commands hold, by digest. */
  readonly files: PackedFiles['contents'];
}

/** The pipeline of a project file, with its code and files packed; by its name where there are several. */
export async function declaredPipeline(project: ProjectFile, name?: string): Promise<DeclaredPipeline> {
  const pipelines = project.resources.filter(({ kind }) => kind === 'pipeline');
  const names = pipelines.map((found) => found.name).join(', ') || 'none';
  const found = name === undefined ? pipelines : pipelines.filter((candidate) => candidate.name === name);
  const [resource] = found;
  if (!resource || found.length > 1) {
    const wanted = name === undefined ? 'say which under pipeline' : `there is no '${name}'`;
    throw new PipelineTestError(`${project.path} declares the pipelines ${names}: ${wanted}`);
  }
  const folder = dirname(project.path);
  const bundle = await bundleOf(resource.spec, folder);
  const { spec, contents: files } = await filesOf(resource, folder);
  const parsed = pipelineSpec.safeParse({ ...spec, ...(bundle ? { code: bundle.digest } : {}) });
  if (parsed.success) return { name: resource.name, spec: parsed.data, bundle, files };
  const lines = parsed.error.issues.slice(0, 20).map(({ path, message }) => `  ${path.join('.')}: ${message}`);
  throw new PipelineTestError(`pipeline '${resource.name}' cannot be declared:\n${lines.join('\n')}`);
}

async function filesOf(resource: ProjectFile['resources'][number], folder: string): Promise<PackedFiles> {
  try {
    return await packFiles(resource, folder);
  } catch (error) {
    if (error instanceof KedgeError) throw new PipelineTestError(error.message);
    throw error;
  }
}

async function bundleOf(spec: Readonly<Record<string, unknown>>, folder: string): Promise<CodeBundle | undefined> {
  const steps = Array.isArray(spec['steps']) ? spec['steps'] : [];
  const modules = steps.map((step: { function?: { module?: unknown } }) => step?.function?.module);
  const roots = [...new Set(modules.filter((module): module is string => typeof module === 'string'))];
  if (roots.length === 0 || spec['code'] !== undefined) return undefined;
  return packCode(
    roots.map((module) => join(folder, module)),
    { projectDir: folder },
  );
}
