import { open, realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { type Digest, digestOf } from '#core/hash';
import { pipelineErrors } from '../errors.ts';
import { isContentDigest, STEP_FILES_BYTES_MAX, STEP_FILES_MAX } from '../step-files.ts';

/** A pipeline whose steps name their files by digest, and what those hold. */
export interface PackedFiles {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly contents: ReadonlyMap<Digest, Uint8Array<ArrayBuffer>>;
}

/**
 * Reads the files that steps of a pipeline declare by paths relative to the project directory, and puts their digests
 * in the place of the paths. No file may lie outside of the directory, also not through a link. What is not as it has
 * to be declared is left for the schema to refuse. Fails with `pipelines/files-invalid`, which names step and file.
 */
export async function packFiles(
  pipeline: { readonly name: string; readonly spec: Readonly<Record<string, unknown>> },
  projectDir: string,
): Promise<PackedFiles> {
  const { name, spec } = pipeline;
  const contents = new Map<Digest, Uint8Array<ArrayBuffer>>();
  if (!Array.isArray(spec['steps'])) return { spec, contents };
  const root = await realpath(projectDir);
  const steps: unknown[] = [];
  for (const step of spec['steps'] as readonly unknown[]) {
    const files = isRecord(step) ? step['files'] : undefined;
    if (!isRecord(step) || !isRecord(files)) {
      steps.push(step);
      continue;
    }
    const where = `pipeline '${name}', step '${String(step['name'])}'`;
    steps.push({ ...step, files: await packStep({ files, where, root, projectDir }, contents) });
  }
  return { spec: { ...spec, steps }, contents };
}

async function packStep(
  of: {
    readonly files: Readonly<Record<string, unknown>>;
    readonly where: string;
    readonly root: string;
    readonly projectDir: string;
  },
  contents: Map<Digest, Uint8Array<ArrayBuffer>>,
): Promise<Record<string, unknown>> {
  const refuse = (message: string): Error => pipelineErrors['files-invalid'](`${of.where}: ${message}`);
  const entries = Object.entries(of.files);
  if (entries.length > STEP_FILES_MAX) {
    throw refuse(`files has ${entries.length} files, the limit is ${STEP_FILES_MAX}`);
  }
  const packed: Record<string, unknown> = {};
  let bytes = 0;
  for (const [path, from] of entries) {
    if (typeof from !== 'string' || isContentDigest(from)) {
      packed[path] = from;
      continue;
    }
    const content = await contentOf(from, {
      ...of,
      left: STEP_FILES_BYTES_MAX - bytes,
      refuse: (why) => refuse(`files.${path}: ${from} ${why}`),
    });
    bytes += content.byteLength;
    const digest = digestOf(content);
    contents.set(digest, content);
    packed[path] = digest;
  }
  return packed;
}

async function contentOf(
  from: string,
  around: {
    readonly root: string;
    readonly projectDir: string;
    /** How many bytes there is room for. */
    readonly left: number;
    readonly refuse: (why: string) => Error;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const { root, projectDir, left, refuse } = around;
  if (isAbsolute(from)) throw refuse('is absolute: expected a path relative to the project file');
  const real = await realpath(resolve(projectDir, from)).catch(() => {
    throw refuse(`does not exist in ${projectDir}`);
  });
  const place = relative(root, real);
  if (place === '..' || place.startsWith(`..${sep}`) || isAbsolute(place)) {
    throw refuse(`is outside of the project directory ${projectDir}`);
  }
  const file = await open(real);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw refuse('is not a file');
    if (found.size > left) {
      throw refuse(`has ${found.size} bytes; all files of a step have at most ${STEP_FILES_BYTES_MAX} together`);
    }
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
