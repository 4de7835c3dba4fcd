import { executorErrors } from '#ports/executor';
import { LABELS, labelValue } from './names.ts';
import type { Container, DeploymentManifest, EnvironmentVariable, JobManifest } from './objects.ts';
import { type PodOptions, podSpec, type Resources, verbatim } from './pod.ts';

export interface WorkerPoolOptions {
  /** Of the Job or Deployment: a DNS label of up to 52 characters. */
  readonly name: string;
  readonly namespace: string;
  /** The image holds a copy of Kedge with its dependencies. */
  readonly pod: PodOptions;
  readonly workers: number;
  /** Attempts that each worker runs at a time. */
  readonly slots: number;
  /** What each worker gets for itself and its steps. */
  readonly resources?: Resources;
  /** Where workers find the control plane. */
  readonly url: string;
  /** A Secret of the namespace whose keys become variables; `KEDGE_TOKEN` is one. */
  readonly secret: string;
  /** The data directory, whose content the pool shares with the control plane unless `KEDGE_BLOBS` names S3. */
  readonly dataDir: string;
  /** More variables, which are not secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where Kedge is in the image. `/kedge` by default. */
  readonly home?: string;
  /** The command of a worker. `node src/apps/worker/main.ts` in `home` by default. */
  readonly command?: readonly string[];
  readonly graceMs?: number;
}

export interface WorkerJobOptions extends WorkerPoolOptions {
  /** How long the pool lasts. */
  readonly wallMs: number;
  /** The LocalQueue of Kueue that admits the pool. */
  readonly queue?: string;
  /** Pods that may fail until the pool has failed. One for each worker by default. */
  readonly failuresMax?: number;
}

const COMPONENT = 'worker-pool';
const WORKERS_MAX = 10_000;
const GRACE_MS = 15_000;
const COMMAND = ['node', 'src/apps/worker/main.ts'];

/** Workers that are always there. */
export function workerDeployment(options: WorkerPoolOptions): DeploymentManifest {
  const { name, namespace, workers, pod } = options;
  const labels = labelsOf(options);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas: workers,
      selector: { matchLabels: selectorOf(options) },
      template: { metadata: { labels }, spec: workerPod(pod, options, 'Always') },
    },
  };
}

/**
 * Workers for a large fan-out: one Job for the cluster to queue and admit, whose pods lease units from the control
 * plane until the pool's time is over or it is deleted. Units of a lost pod go to another when their lease runs out.
 */
export function workerJob(options: WorkerJobOptions): JobManifest {
  const { name, namespace, workers, pod, queue, wallMs, failuresMax = workers } = options;
  const labels = labelsOf(options);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels: { ...labels, ...(queue ? { [LABELS.queue]: queue } : {}) } },
    spec: {
      ...(queue ? { suspend: true } : {}),
      completionMode: 'Indexed',
      completions: workers,
      parallelism: workers,
      backoffLimit: failuresMax,
      activeDeadlineSeconds: Math.ceil(wallMs / 1000),
      ttlSecondsAfterFinished: 3_600,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      template: { metadata: { labels }, spec: workerPod(pod, options, 'Never') },
    },
  };
}

function workerPod(pod: PodOptions, options: WorkerPoolOptions, restartPolicy: 'Always' | 'Never') {
  check(options);
  const { resources, graceMs = GRACE_MS, secret, home = '/kedge', command = COMMAND } = options;
  const container = {
    name: 'worker',
    command: command.map(verbatim),
    workingDir: home,
    env: environment(options),
    envFrom: [{ secretRef: { name: secret } }],
  } satisfies Partial<Container>;
  return podSpec(pod, {
    restartPolicy,
    graceMs,
    ...(resources ? { resources } : {}),
    shareProcessNamespace: true,
    container,
  });
}

/** Each worker is named after its pod, which is unique among those that run. */
function environment({ env = {}, url, slots, dataDir }: WorkerPoolOptions): EnvironmentVariable[] {
  const own = { KEDGE_URL: url, KEDGE_DATA: dataDir, KEDGE_WORKER_SLOTS: String(slots) };
  return [
    ...Object.entries({ ...env, ...own }).map(([name, value]) => ({ name, value: verbatim(value) })),
    { name: 'KEDGE_WORKER_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ];
}

function labelsOf(options: WorkerPoolOptions): Record<string, string> {
  return { ...options.pod.labels, [LABELS.managedBy]: 'kedge', ...selectorOf(options) };
}

function selectorOf({ name }: WorkerPoolOptions): Record<string, string> {
  return { [LABELS.component]: COMPONENT, [LABELS.execution]: labelValue(name) };
}

function check({ name, workers, slots }: WorkerPoolOptions): void {
  const refuse = (why: string): never => {
    throw executorErrors.invalid(`worker pool ${JSON.stringify(name.slice(0, 80))}: ${why}`);
  };
  if (!/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/.test(name)) refuse('name is a DNS label of 1 to 52 characters');
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX)) {
    refuse(`workers is from 1 to ${WORKERS_MAX}`);
  }
  if (!(Number.isInteger(slots) && slots >= 1 && slots <= 64)) refuse('slots is from 1 to 64');
}
