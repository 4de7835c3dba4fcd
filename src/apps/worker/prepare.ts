import { constants, mkdirSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '#core/assert';
import type { Digest } from '#core/hash';
import type { Json } from '#core/json';
import { envPart, type LeasedAttempt, outputName, unpackCode, unpackDirectory } from '#pipelines';
import { RESULT_LENGTH_MAX } from '#pipelines/contract';
import { assertDigest, type BlobStore } from '#ports/blob-store';
import type { HostRequest } from './host-protocol.ts';

const HOST = fileURLToPath(import.meta.resolve('./step-host.ts'));
const CLI = fileURLToPath(import.meta.resolve('../cli/main.ts'));

export interface Prepared {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
  /** The command can take further requests. */
  readonly serves?: boolean;
  /** Where each declared output is expected. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly resultPath: string;
}

interface Surroundings {
  readonly blobs: BlobStore;
  readonly isRemote?: boolean;
  readonly scratchDir: string;
  readonly connection: { readonly url: string; readonly token?: string | undefined };
}

/** Brings everything an attempt needs into its directory, `dir`, and says how to start it. */
export async function prepare(attempt: LeasedAttempt, dir: string, around: Surroundings): Promise<Prepared> {
  const [cwd, outDir] = [join(dir, 'work'), join(dir, 'out')];
  // At once: a thread that made the folders would be waited for longer than that takes.
  mkdirSync(cwd, { recursive: true });
  if (attempt.outputs.length > 0) mkdirSync(outDir);
  const inputs = await bringInputs(attempt.inputs, dir, around);
  const names = attempt.outputs.map(outputName);
  const outputs = Object.fromEntries(names.map((name) => [name, join(outDir, name)]));
  const places = { cwd, outputs, resultPath: join(dir, 'result.json') };
  if (!attempt.function) {
    await placeFiles(attempt.files ?? {}, { cwd, blobs: around.blobs });
    const env = await commandEnvironment(attempt, { ...places, inputs, dir, connection: around.connection });
    return { ...places, command: runnable(attempt.command ?? []), env };
  }
  const code = await unpackCode(around.blobs, attempt.function.code as Digest, join(around.scratchDir, 'code'));
  const request: HostRequest = {
    modulePath: join(code, attempt.function.module),
    export: attempt.function.export,
    params: attempt.params,
    inputs,
    outputs,
    cwd,
    resultPath: places.resultPath,
    resultLengthMax: RESULT_LENGTH_MAX,
    seed: attempt.seed,
    run: attempt.run,
    step: attempt.step,
    cause: attempt.cause,
    client: { url: around.connection.url, ...(around.connection.token ? { token: around.connection.token } : {}) },
    // On a cluster, the parent is whatever started the command there, and the executor ends what outlives its worker.
    ...(around.isRemote ? {} : { parent: process.pid }),
  };
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', HOST];
  // Node keeps what it made of the TypeScript there, which halves the start of every step after the first.
  const env = { NODE_COMPILE_CACHE: join(around.scratchDir, 'compile-cache'), ...attempt.env };
  return { ...places, command, env, stdin: Buffer.from(JSON.stringify(request)), serves: true };
}

/**
 * Copies what the step declares as its files into the folder where its command starts. They are its own: it may write
 * to them, and start them as programs.
 */
async function placeFiles(
  files: Readonly<Record<string, string>>,
  { cwd, blobs }: { readonly cwd: string; readonly blobs: BlobStore },
): Promise<void> {
  for (const [path, digest] of Object.entries(files)) {
    const to = join(cwd, path);
    assert(to.startsWith(`${cwd}${sep}`), `the file '${path}' would leave its folder`);
    assertDigest(digest);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(await blobs.localPath(digest), to, constants.COPYFILE_FICLONE);
    await chmod(to, 0o755);
  }
}

/** The command line of this product is there wherever a worker is, in the version of the worker. */
function runnable([program, ...args]: readonly string[]): readonly string[] {
  if (program === undefined) return [];
  return program === 'kedge'
    ? [process.execPath, '--disable-warning=ExperimentalWarning', CLI, ...args]
    : [program, ...args];
}

/** A local path for each input. Directories are copies in a folder whose name no input can have. */
async function bringInputs(
  artifacts: LeasedAttempt['inputs'],
  dir: string,
  around: Surroundings,
): Promise<Record<string, string>> {
  const inputs: Record<string, string> = {};
  const pathOf = await pathsFor(dir, around);
  for (const [name, { digest, bytes, manifest, directory }] of Object.entries(artifacts)) {
    const folder = join(dir, '_directories', name);
    if (directory) {
      await unpackDirectory(around.blobs, digest, folder);
      inputs[name] = folder;
      continue;
    }
    const path = await pathOf(digest, { bytes });
    const to = join(dir, name);
    inputs[name] = manifest ? await withLocalPaths(path, { pathOf, to, folder, blobs: around.blobs }) : path;
  }
  return inputs;
}

type PathOf = BlobStore['localPath'];

/**
 * Where the step finds a blob: in the store itself, or, for a step that runs elsewhere, linked or else copied into the
 * directory of the attempt, with which it goes.
 */
async function pathsFor(dir: string, { blobs, isRemote }: Surroundings): Promise<PathOf> {
  if (!isRemote) return (digest, expected) => blobs.localPath(digest, expected);
  const folder = join(dir, 'in');
  await mkdir(folder);
  const brought = new Map<Digest, Promise<string>>();
  const bring = async (digest: Digest, expected?: { readonly bytes: number }): Promise<string> => {
    const [from, to] = [await blobs.localPath(digest, expected), join(folder, digest.replace(':', '-'))];
    await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE));
    return to;
  };
  return (digest, expected) => {
    const path = brought.get(digest) ?? bring(digest, expected);
    brought.set(digest, path);
    return path;
  };
}

interface Listed {
  readonly digest: Digest;
  readonly directory?: boolean;
}

/** A list as the step reads it: each of its `blobs` has the path of a local file, or directory, beside its digest. */
async function withLocalPaths(
  listPath: string,
  of: { readonly pathOf: PathOf; readonly to: string; readonly folder: string; readonly blobs: BlobStore },
): Promise<string> {
  const list = JSON.parse(await readFile(listPath, 'utf8')) as { readonly blobs: readonly Listed[] };
  const files = await Promise.all(list.blobs.map((blob) => (blob.directory ? undefined : of.pathOf(blob.digest))));
  const listed: unknown[] = [];
  for (const [i, blob] of list.blobs.entries()) {
    const path = files[i] ?? join(of.folder, `${i}`);
    if (blob.directory) await unpackDirectory(of.blobs, blob.digest, path);
    listed.push({ ...blob, path });
  }
  await writeFile(of.to, JSON.stringify({ ...list, blobs: listed }));
  return of.to;
}

interface CommandPlaces {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly resultPath: string;
  readonly dir: string;
  readonly connection: Surroundings['connection'];
}

/** How a command learns what a function step gets as its context. The README of the worker documents each variable. */
async function commandEnvironment(attempt: LeasedAttempt, places: CommandPlaces): Promise<Record<string, string>> {
  const paramsPath = join(places.dir, 'params.json');
  await writeFile(paramsPath, JSON.stringify(attempt.params));
  const named = (prefix: string, values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`KEDGE_${prefix}_${envPart(name)}`, value]));
  const params = Object.fromEntries(Object.entries(attempt.params).map(([name, value]) => [name, textOf(value)]));
  return {
    ...mlflowEnvironment(attempt, places.connection),
    ...attempt.env,
    ...named('PARAM', params),
    ...named('INPUT', places.inputs),
    ...named('OUTPUT', places.outputs),
    KEDGE_PARAMS: paramsPath,
    KEDGE_RESULT: places.resultPath,
    KEDGE_RUN: attempt.run,
    KEDGE_STEP: attempt.step,
    KEDGE_SEED: String(attempt.seed),
    KEDGE_URL: places.connection.url,
    ...(places.connection.token ? { KEDGE_TOKEN: places.connection.token } : {}),
  };
}

/**
 * The variables by which MLflow's client finds the server. Runs that a step starts go to an experiment with the name of
 * the pipeline, and their tags lead back to the run and step. The step's own `env` goes before these.
 */
function mlflowEnvironment(
  { pipeline, run, step }: LeasedAttempt,
  { url, token }: Surroundings['connection'],
): Record<string, string> {
  return {
    MLFLOW_TRACKING_URI: url,
    MLFLOW_REGISTRY_URI: url,
    MLFLOW_EXPERIMENT_NAME: pipeline,
    MLFLOW_RUN_CONTEXT: JSON.stringify({ 'kedge.run': run, 'kedge.pipeline': pipeline, 'kedge.step': step }),
    ...(token ? { MLFLOW_TRACKING_TOKEN: token } : {}),
  };
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
