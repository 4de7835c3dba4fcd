import { executorErrors } from '#ports/executor';
import { LABELS, labelValue } from './names.ts';
import type { EnvironmentVariable, JobManifest, PodFailureRule, ServiceManifest } from './objects.ts';
import { type PodOptions, podSpec, type Resources, verbatim } from './pod.ts';

export interface TorchrunOptions {
  /** Of the Job and of the Service by which its pods find each other: a DNS label of up to 52 characters. */
  readonly name: string;
  readonly namespace: string;
  /** The image brings `torchrun`, `/bin/sh` and what the script needs. */
  readonly pod: PodOptions;
  /** The training script and its arguments: what follows `torchrun`. */
  readonly script: readonly string[];
  /** Pods, each of them one torchrun agent. */
  readonly nodes: number;
  /** Training processes of a pod, usually one for each of its GPUs. */
  readonly processesPerNode: number;
  /** What each pod gets, such as `{ cpu: 8, memoryGiB: 64, gpu: 4 }`. */
  readonly resources?: Resources;
  /** The folder for checkpoints, told as `KEDGE_CHECKPOINTS`; one of the shared folders of `pod` holds it. */
  readonly checkpoints: string;
  /** How often agents restart their processes, and how many pods may fail, until the Job has failed. 3 by default. */
  readonly restartsMax?: number;
  /** How long pods wait for each other. 15 minutes by default. */
  readonly joinMsMax?: number;
  /** The time of the whole training. */
  readonly wallMs?: number;
  readonly graceMs?: number;
  /** How long the Job stays when it has finished. A day by default. */
  readonly keepMs?: number;
  /** More variables, which are not secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** A Secret of the namespace whose keys become variables, such as `KEDGE_TOKEN`. */
  readonly secret?: string;
  /** The LocalQueue of Kueue that admits all pods or none. */
  readonly queue?: string;
  /** Shared memory of a pod, for NCCL and data loaders. A quarter of `memoryGiB` by default. */
  readonly sharedMemoryGiB?: number;
}

const PORT = 29_400;
const NODES_MAX = 1_000;
const COMPONENT = 'training';
/** Pods that the cluster took away are made again without being counted. */
const DISRUPTED: PodFailureRule = {
  action: 'Ignore',
  onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }],
};

/**
 * Distributed training with `torchrun`: an Indexed Job whose pods are the agents, and the headless Service that gives
 * each a name. Pod 0 hosts the c10d rendezvous; the agents agree on the ranks there and set `RANK`, `LOCAL_RANK`,
 * `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT` for each process, so that DDP and FSDP need nothing else.
 *
 * A process that fails makes all agents start theirs again; a pod that fails is made again and joins anew. Either way
 * the script starts from its beginning and continues from the last checkpoint in `KEDGE_CHECKPOINTS`.
 */
export function torchrunManifests(options: TorchrunOptions): readonly [ServiceManifest, JobManifest] {
  check(options);
  const { name, namespace, pod, nodes, queue, restartsMax = 3, graceMs = 30_000, keepMs = 86_400_000 } = options;
  const labels = {
    ...pod.labels,
    [LABELS.managedBy]: 'kedge',
    [LABELS.component]: COMPONENT,
    [LABELS.execution]: labelValue(name),
  };
  const selector = { [LABELS.component]: COMPONENT, [LABELS.execution]: labelValue(name) };
  const service: ServiceManifest = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    // Agents look for pod 0 before it is ready.
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector, ports: [{ name: 'rendezvous', port: PORT }] },
  };
  const job: JobManifest = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels: { ...labels, ...(queue ? { [LABELS.queue]: queue } : {}) } },
    spec: {
      ...(queue ? { suspend: true } : {}),
      completionMode: 'Indexed',
      completions: nodes,
      parallelism: nodes,
      backoffLimit: restartsMax,
      ...(options.wallMs === undefined ? {} : { activeDeadlineSeconds: Math.ceil(options.wallMs / 1000) }),
      ttlSecondsAfterFinished: Math.ceil(keepMs / 1000),
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: [DISRUPTED] },
      template: {
        metadata: { labels },
        spec: podSpec(pod, {
          restartPolicy: 'Never',
          graceMs,
          subdomain: name,
          shareProcessNamespace: true,
          ...(options.resources ? { resources: options.resources } : {}),
          volumes: [{ name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: sharedMemory(options) } }],
          container: {
            name: 'agent',
            ...agentCommand(options),
            env: environment(options),
            ...(options.secret ? { envFrom: [{ secretRef: { name: options.secret } }] } : {}),
            ports: [{ name: 'rendezvous', containerPort: PORT }],
            volumeMounts: [{ name: 'shared-memory', mountPath: '/dev/shm' }],
          },
        }),
      },
    },
  };
  return [service, job];
}

/** Whether an agent hosts the rendezvous is told to it, because the name of a pod is not what `hostname` says. */
function agentCommand(options: TorchrunOptions): { readonly command: readonly string[]; readonly args: string[] } {
  const { name, namespace, nodes, processesPerNode, script, restartsMax = 3, joinMsMax = 900_000 } = options;
  const seconds = Math.ceil(joinMsMax / 1000);
  const shell = [
    'host=false; if [ "$JOB_COMPLETION_INDEX" = 0 ]; then host=true; fi',
    `exec torchrun --rdzv-conf "is_host=$host,join_timeout=${seconds},read_timeout=${seconds}" "$@"`,
  ].join('; ');
  const args = [
    `--nnodes=${nodes}`,
    `--nproc-per-node=${processesPerNode}`,
    '--rdzv-backend=c10d',
    `--rdzv-endpoint=${name}-0.${name}.${namespace}.svc:${PORT}`,
    `--rdzv-id=${name}`,
    `--max-restarts=${restartsMax}`,
    ...script,
  ];
  return { command: ['/bin/sh', '-c', verbatim(shell), 'torchrun'], args: args.map(verbatim) };
}

function environment({ env = {}, checkpoints }: TorchrunOptions): EnvironmentVariable[] {
  const all = { ...env, KEDGE_CHECKPOINTS: checkpoints };
  return Object.entries(all).map(([name, value]) => ({ name, value: verbatim(value) }));
}

function sharedMemory({ sharedMemoryGiB, resources = {} }: TorchrunOptions): string {
  const gib = sharedMemoryGiB ?? (resources['memoryGiB'] ?? 4) / 4;
  return `${Math.max(1, Math.ceil(gib * 1024))}Mi`;
}

function check({ name, nodes, processesPerNode, script, checkpoints, pod }: TorchrunOptions): void {
  const refuse = (why: string): never => {
    throw executorErrors.invalid(`training ${JSON.stringify(name.slice(0, 80))}: ${why}`);
  };
  if (!/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/.test(name)) refuse('name is a DNS label of 1 to 52 characters');
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MAX)) refuse(`nodes is from 1 to ${NODES_MAX}`);
  if (!(Number.isInteger(processesPerNode) && processesPerNode >= 1)) refuse('processesPerNode is an integer from 1');
  if (!script[0]) refuse('script names at least a file');
  const isShared = (pod.folders ?? []).some(({ path, readOnly }) => !readOnly && isInside(checkpoints, path));
  if (!isShared) refuse(`checkpoints ${JSON.stringify(checkpoints)} is in none of the shared folders of the pod`);
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
