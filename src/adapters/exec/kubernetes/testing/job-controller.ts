import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { ApiError, type KubernetesApi } from '../api/client.ts';
import type { ReadJob, ReadPod } from '../api/objects.ts';
import { Collection } from '../api/watch.ts';

interface Job extends ReadJob {
  readonly metadata: ReadJob['metadata'] & { readonly finalizers?: readonly string[] };
  readonly spec: {
    readonly suspend?: boolean;
    readonly template: { readonly metadata: object; readonly spec: object };
  };
}

const FOREGROUND = 'foregroundDeletion';

/**
 * Plays the Job controller and the garbage collector on a cluster that has only an API server, for Jobs of one pod that
 * is not repeated: makes the pod, writes how the Job ended, and deletes pods with their Job, in the foreground too.
 */
export class JobController {
  readonly #api: KubernetesApi;
  readonly #namespace: string;
  readonly #over = new AbortController();
  readonly #jobs = new Map<string, Job>();
  readonly #pods = new Map<string, ReadPod>();
  /** Jobs whose pod was made. */
  readonly #made = new Set<string>();
  readonly #following: readonly Promise<void>[];
  #turn: Promise<void> = Promise.resolve();

  constructor(api: KubernetesApi, namespace: string) {
    this.#api = api;
    this.#namespace = namespace;
    const base = { api, labelSelector: '', clock: systemClock, random: seededRandom(2) };
    const jobs = new Collection<Job>({
      ...base,
      path: this.#path('jobs'),
      onObject: (job) => this.#soon(() => this.#jobs.set(job.metadata.name, job)),
      onGone: (job) => this.#soon(() => this.#jobs.delete(job.metadata.name)),
    });
    const pods = new Collection<ReadPod>({
      ...base,
      path: this.#path('pods'),
      onObject: (pod) => this.#soon(() => this.#pods.set(pod.metadata.name, pod)),
      onGone: (pod) => this.#soon(() => this.#pods.delete(pod.metadata.name)),
    });
    this.#following = [jobs.follow(this.#over.signal), pods.follow(this.#over.signal)];
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all([...this.#following, this.#turn]);
  }

  /** One change after the other, each with all that follows from it. */
  #soon(change: () => void): void {
    this.#turn = this.#turn.then(async () => {
      change();
      if (this.#over.signal.aborted) return;
      for (const job of [...this.#jobs.values()]) await this.#reconcile(job);
      for (const pod of [...this.#pods.values()]) await this.#collect(pod);
    });
  }

  async #reconcile(job: Job): Promise<void> {
    const { name, uid, deletionTimestamp, finalizers = [] } = job.metadata;
    const pod = [...this.#pods.values()].find((found) => ownerOf(found) === uid);
    if (deletionTimestamp) {
      if (pod) {
        if (!pod.metadata.deletionTimestamp) await this.#try('DELETE', `${this.#path('pods')}/${pod.metadata.name}`);
      } else if (finalizers.includes(FOREGROUND)) {
        const metadata = { ...job.metadata, finalizers: finalizers.filter((found) => found !== FOREGROUND) };
        if (await this.#try('PUT', `${this.#path('jobs')}/${name}`, { ...job, metadata })) this.#jobs.delete(name);
      }
      return;
    }
    if (job.spec.suspend || job.status?.conditions?.some(({ type }) => type === 'Complete' || type === 'Failed'))
      return;
    if (!this.#made.has(uid)) {
      this.#made.add(uid);
      await this.#try('POST', this.#path('pods'), podOf(job));
      return;
    }
    const phase = pod?.status?.phase;
    if (phase === 'Succeeded' || phase === 'Failed') await this.#end(job, phase);
  }

  async #end(job: Job, phase: 'Succeeded' | 'Failed'): Promise<void> {
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const condition = (type: string, reason: string) => ({
      type,
      status: 'True',
      reason,
      message: 'played by the tests',
      lastProbeTime: now,
      lastTransitionTime: now,
    });
    const status =
      phase === 'Succeeded'
        ? {
            startTime: now,
            completionTime: now,
            succeeded: 1,
            conditions: [
              condition('SuccessCriteriaMet', 'CompletionsReached'),
              condition('Complete', 'CompletionsReached'),
            ],
          }
        : {
            startTime: now,
            failed: 1,
            conditions: [
              condition('FailureTarget', 'BackoffLimitExceeded'),
              condition('Failed', 'BackoffLimitExceeded'),
            ],
          };
    const path = `${this.#path('jobs')}/${job.metadata.name}/status`;
    await this.#try('PUT', path, { ...job, status });
  }

  /** A pod whose Job is gone goes too. */
  async #collect(pod: ReadPod): Promise<void> {
    const owner = ownerOf(pod);
    if (!owner || pod.metadata.deletionTimestamp) return;
    const isOwned = [...this.#jobs.values()].some(({ metadata }) => metadata.uid === owner);
    if (!isOwned) await this.#try('DELETE', `${this.#path('pods')}/${pod.metadata.name}`);
  }

  /** False for what has changed or gone meanwhile, which another event will tell. */
  async #try(method: string, path: string, body?: unknown): Promise<boolean> {
    try {
      await this.#api.call(method, path, body === undefined ? {} : { body });
      return true;
    } catch (error) {
      if (this.#over.signal.aborted) return false;
      if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return false;
      throw error;
    }
  }

  #path(plural: 'jobs' | 'pods'): string {
    return `${plural === 'jobs' ? '/apis/batch/v1' : '/api/v1'}/namespaces/${this.#namespace}/${plural}`;
  }
}

function podOf({ metadata, spec }: Job): object {
  const { name, uid } = metadata;
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...spec.template.metadata, generateName: `${name}-`, ownerReferences: [owner] },
    spec: spec.template.spec,
  };
}

function ownerOf({ metadata }: ReadPod): string | undefined {
  return metadata.ownerReferences?.[0]?.uid;
}
