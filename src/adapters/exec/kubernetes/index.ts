import type { System } from '#core/system';
import { assertRequest, type ExecutionRequest, type Executor, executorErrors } from '#ports/executor';
import type { ClusterAccess } from './api/access.ts';
import { KubernetesApi } from './api/client.ts';
import type { ReadJob, ReadList, ReadPod } from './api/objects.ts';
import { Collection } from './api/watch.ts';
import { remove } from './create.ts';
import { type ExecutionContext, KubernetesExecution } from './execution.ts';
import { ownerSelector } from './manifests/execution-job.ts';
import { LABELS } from './manifests/names.ts';
import type { PodOptions, Resources } from './manifests/pod.ts';

export { type ClusterAccess, type InClusterOptions, inClusterAccess } from './api/access.ts';
export { type KubeconfigOptions, kubeconfigAccess } from './api/kubeconfig.ts';
export type { PodOptions, Resources, SharedFolder } from './manifests/pod.ts';

export interface KubernetesExecutorOptions {
  readonly access: ClusterAccess;
  readonly system: System;
  /** Who looks after the Jobs, the same after a restart and different from every other that runs: the worker's name. */
  readonly owner: string;
  /** What every pod has in common: image, service account, nodes, shared folders. */
  readonly pod: PodOptions;
  /** The namespace of {@link access} without it. */
  readonly namespace?: string;
  /** What a request is granted, by the names of steps: `{ cpu: 2, memoryGiB: 4, gpu: 1 }`. */
  readonly resourcesOf?: (request: ExecutionRequest) => Resources | undefined;
  /** The LocalQueue of Kueue that admits the Jobs. */
  readonly queue?: string;
  /** The pod in which this runs: its Jobs go with it. */
  readonly ownerPod?: { readonly name: string; readonly uid: string };
  /** How long scheduling and pulling the image may take. 10 minutes by default. */
  readonly startMsMax?: number;
  /** How long a Job may wait for its queue. A day by default. */
  readonly queueMsMax?: number;
  /** How long a finished Job stays when its owner has died. 10 minutes by default. */
  readonly keepMs?: number;
  /** How long the cluster may take to confirm an end, past the grace. 5 minutes by default. */
  readonly confirmMsMax?: number;
  /** More at the same time are refused with `executor/busy`. 256 by default. */
  readonly executionsMax?: number;
  /**
   * Asks for standard output and error apart. Only where the feature gate `PodLogsQuerySplitStreams` is on in the API
   * server and in every kubelet (alpha from 1.32); otherwise all output is `stdout`.
   */
  readonly splitStreams?: boolean;
}

export interface KubernetesExecutor extends Executor {
  /** Deletes the Jobs that an earlier process of the same owner has left, and says how many there were. */
  sweep(): Promise<number>;
  /** Ends the watches and waits until what ended has been deleted. Jobs that run are left to {@link sweep}. */
  close(): Promise<void>;
}

/** Runs commands as Jobs of a Kubernetes cluster. The README says what it can keep of the port's promises. */
export function openKubernetesExecutor(options: KubernetesExecutorOptions): KubernetesExecutor {
  return new ClusterExecutor(options);
}

const PAGE = 500;
const CLOSE_MS_MAX = 10_000;

class ClusterExecutor implements KubernetesExecutor {
  readonly #options: KubernetesExecutorOptions;
  readonly #api: KubernetesApi;
  readonly #namespace: string;
  readonly #selector: string;
  /** Aborted by close. */
  readonly #closing = new AbortController();
  readonly #running = new Map<string, KubernetesExecution>();
  /** By the name of the Job, which pods carry too. */
  readonly #byJob = new Map<string, KubernetesExecution>();
  readonly #discarding = new Set<Promise<void>>();
  #watches: readonly Promise<void>[] = [];
  /** Executions whose Job was there when a list was asked for. */
  #listing: readonly KubernetesExecution[] = [];

  constructor(options: KubernetesExecutorOptions) {
    this.#options = options;
    this.#api = new KubernetesApi(options.access, options.system.clock);
    this.#namespace = options.namespace ?? options.access.namespace;
    this.#selector = ownerSelector(options.owner);
  }

  async start(request: ExecutionRequest): Promise<KubernetesExecution> {
    assertRequest(request);
    const { id } = request;
    const { executionsMax = 256 } = this.#options;
    if (this.#running.has(id)) throw executorErrors.exists(`execution '${id}' is running`);
    if (this.#running.size >= executionsMax) {
      throw executorErrors.busy(`${this.#running.size} executions are running, the limit is ${executionsMax}`);
    }
    const execution = new KubernetesExecution(request, this.#contextOf(request));
    const jobName = execution.manifest.metadata.name;
    const free = (): void => {
      this.#running.delete(id);
      if (this.#byJob.get(jobName) === execution) this.#byJob.delete(jobName);
    };
    this.#running.set(id, execution);
    this.#byJob.set(jobName, execution);
    this.#watch();
    try {
      await execution.begin();
    } catch (error) {
      free();
      throw error;
    }
    void execution.exited.then(() => {
      free();
      const discarding = execution.discard().finally(() => this.#discarding.delete(discarding));
      this.#discarding.add(discarding);
    });
    return execution;
  }

  async sweep(): Promise<number> {
    const path = this.#path('batch/v1', 'jobs');
    const { clock, random } = this.#options.system;
    const context = { api: this.#api, clock, random, signal: this.#closing.signal };
    let count = 0;
    let page: string | undefined;
    do {
      const query = { labelSelector: this.#selector, limit: PAGE, continue: page };
      const list: ReadList<ReadJob> = await this.#api.call('GET', path, { query });
      for (const { metadata } of list.items) {
        if (this.#byJob.has(metadata.name)) continue;
        await remove(`${path}/${metadata.name}`, { uid: metadata.uid, propagationPolicy: 'Foreground' }, context);
        count++;
      }
      page = list.metadata.continue || undefined;
    } while (page);
    return count;
  }

  async close(): Promise<void> {
    const late = new Promise<void>((resolve) => {
      const cancel = this.#options.system.clock.after(CLOSE_MS_MAX, resolve);
      void Promise.all(this.#discarding).then(() => {
        cancel();
        resolve();
      });
    });
    await late;
    for (const execution of this.#running.values()) execution.detach();
    this.#closing.abort();
    await Promise.all(this.#watches);
    this.#api.close();
  }

  #contextOf(request: ExecutionRequest): ExecutionContext {
    const { system, owner, pod, resourcesOf, queue, ownerPod } = this.#options;
    const { startMsMax = 600_000, queueMsMax = 86_400_000, keepMs = 600_000, confirmMsMax = 300_000 } = this.#options;
    const resources = resourcesOf?.(request);
    return {
      api: this.#api,
      clock: system.clock,
      random: system.random,
      signal: this.#closing.signal,
      queueMsMax,
      confirmMsMax,
      splitStreams: this.#options.splitStreams ?? false,
      job: {
        namespace: this.#namespace,
        owner,
        start: system.ids.next('start'),
        pod,
        startMsMax,
        keepMs,
        ...(resources ? { resources } : {}),
        ...(queue ? { queue } : {}),
        ...(ownerPod ? { ownerPod } : {}),
      },
    };
  }

  /** From the first execution on: two connections, however many Jobs there are. */
  #watch(): void {
    if (this.#watches.length > 0) return;
    const { clock, random } = this.#options.system;
    const base = { api: this.#api, labelSelector: this.#selector, clock, random };
    const jobs = new Collection<ReadJob>({
      ...base,
      path: this.#path('batch/v1', 'jobs'),
      onObject: (job) => this.#byJob.get(job.metadata.name)?.sawJob(job),
      onGone: ({ metadata }) => this.#byJob.get(metadata.name)?.lostJob(metadata.uid),
      onListing: () => {
        this.#listing = [...this.#byJob.values()].filter(({ isCreated }) => isCreated);
      },
      onListed: (names) => {
        for (const execution of this.#listing) if (!names.has(execution.manifest.metadata.name)) execution.lostJob();
      },
    });
    const pods = new Collection<ReadPod>({
      ...base,
      path: this.#path('v1', 'pods'),
      onObject: (pod) => this.#executionOf(pod)?.sawPod(pod),
      onGone: (pod) => this.#executionOf(pod)?.sawPod(pod),
    });
    this.#watches = [jobs.follow(this.#closing.signal), pods.follow(this.#closing.signal)];
  }

  #executionOf(pod: ReadPod): KubernetesExecution | undefined {
    return this.#byJob.get(pod.metadata.labels?.[LABELS.execution] ?? '');
  }

  #path(group: 'batch/v1' | 'v1', kind: string): string {
    return `${group === 'v1' ? '/api/v1' : `/apis/${group}`}/namespaces/${this.#namespace}/${kind}`;
  }
}
