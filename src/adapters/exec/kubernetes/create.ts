import { backoffMs } from '#core/backoff';
import { type Clock, sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import { executorErrors } from '#ports/executor';
import { ApiError, type KubernetesApi } from './api/client.ts';
import type { ReadJob } from './api/objects.ts';
import { ANNOTATIONS } from './manifests/names.ts';
import type { JobManifest, Manifest } from './manifests/objects.ts';

export interface CreateContext {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** How long a cluster that does not answer is asked. */
const CREATE_MS_MAX = 60_000;
const BACKOFF_CAP_MS = 2_000;
const CREATE_QUERY = { fieldValidation: 'Strict', fieldManager: 'kedge' };

/** The cluster refuses the object, or was not reached in time. */
export class CreateFailure extends Error {
  override readonly name = 'CreateFailure';
}

/**
 * Creates the Job, exactly once for its `kedge.dev/start`: a create whose answer was lost is found by its name. A Job
 * that an earlier execution of the same id has left is removed first; one that runs is `executor/exists`.
 */
export async function createJob(job: JobManifest, context: CreateContext): Promise<ReadJob> {
  const path = `/apis/batch/v1/namespaces/${job.metadata.namespace}/jobs`;
  const { api } = context;
  return patiently(context, async () => {
    try {
      return await api.call<ReadJob>('POST', path, { query: CREATE_QUERY, body: job, signal: context.signal });
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    const found = await find(`${path}/${job.metadata.name}`, context);
    if (!found) return undefined;
    const { annotations = {}, deletionTimestamp, uid } = found.metadata;
    if (annotations[ANNOTATIONS.start] === job.metadata.annotations?.[ANNOTATIONS.start]) return found;
    if (deletionTimestamp === undefined) {
      if (!hasFinished(found)) throw executorErrors.exists(`the Job '${job.metadata.name}' is running`);
      await remove(`${path}/${job.metadata.name}`, { uid, propagationPolicy: 'Background' }, context);
    }
    return undefined;
  });
}

/** Creates an object that this start alone can have created before. */
export async function createOwned(manifest: Manifest, path: string, context: CreateContext): Promise<void> {
  await patiently(context, async () => {
    try {
      await context.api.call('POST', path, { query: CREATE_QUERY, body: manifest, signal: context.signal });
    } catch (error) {
      // Left by an earlier execution, which the garbage collector has not come to yet, or by a lost answer of ours.
      if (!isConflict(error)) throw error;
      const found = await find(`${path}/${manifest.metadata.name}`, context);
      const owner = manifest.metadata.ownerReferences?.[0]?.uid;
      if (!found?.metadata.ownerReferences?.some(({ uid }) => uid === owner)) return undefined;
    }
    return true;
  });
}

export interface Removal {
  readonly uid: string;
  readonly propagationPolicy?: 'Foreground' | 'Background';
  readonly gracePeriodSeconds?: number;
}

/** Deletes the object of this very uid. False when there is no such object any more. */
export async function remove(
  path: string,
  { uid, ...rest }: Removal,
  { api, signal }: CreateContext,
): Promise<boolean> {
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid }, ...rest };
  try {
    await api.call('DELETE', path, { body, signal });
    return true;
  } catch (error) {
    // 409: an object of this name is there, with another uid.
    if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return false;
    throw error;
  }
}

/** Tries until there is a value, again after failures that may pass, for {@link CREATE_MS_MAX}. */
async function patiently<T>(context: CreateContext, attempt: () => Promise<T | undefined>): Promise<T> {
  const { clock, random, signal } = context;
  const until = clock.monotonic() + CREATE_MS_MAX;
  for (let failures = 0; ; failures++) {
    let problem = 'an object of this name does not go away';
    let waitMs: number | undefined;
    try {
      const value = await attempt();
      if (value !== undefined) return value;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem = messageOf(error);
      if (!error.isPassing) throw new CreateFailure(`the cluster refused it: ${problem}`);
      waitMs = error.retryAfterMs;
    }
    if (signal.aborted) throw new CreateFailure('the executor was closed');
    if (clock.monotonic() >= until) throw new CreateFailure(`no success in ${CREATE_MS_MAX} ms: ${problem}`);
    await sleep(clock, waitMs ?? backoffMs(failures, random, { capMs: BACKOFF_CAP_MS }), signal);
  }
}

async function find(path: string, { api, signal }: CreateContext): Promise<ReadJob | undefined> {
  try {
    return await api.call<ReadJob>('GET', path, { signal });
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409 && error.reason === 'AlreadyExists';
}

function hasFinished(job: ReadJob): boolean {
  return (job.status?.conditions ?? []).some(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
}
