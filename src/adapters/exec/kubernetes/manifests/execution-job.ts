import { type ExecutionRequest, executorErrors } from '#ports/executor';
import { ANNOTATIONS, LABELS, labelValue, objectName } from './names.ts';
import type { JobManifest, OwnerReference, SecretManifest, Volume, VolumeMount } from './objects.ts';
import { type PodOptions, podSpec, type Resources, verbatim } from './pod.ts';

export interface ExecutionJobOptions {
  readonly namespace: string;
  /** Who looks after the Job: everything with this label goes when its owner sweeps. */
  readonly owner: string;
  /** Different for each start. */
  readonly start: string;
  readonly pod: PodOptions;
  readonly resources?: Resources;
  /** How long a pod may take until its command runs: scheduling, pulling the image. */
  readonly startMsMax: number;
  /** How long a Job that has finished stays, if nobody deletes it. */
  readonly keepMs: number;
  /** The LocalQueue of Kueue that admits the Job. */
  readonly queue?: string;
  /** The pod in which the owner runs: the cluster deletes the Job with it. */
  readonly ownerPod?: { readonly name: string; readonly uid: string };
}

/** The name of the only container. */
export const CONTAINER = 'step';

const GRACE_MS = 5_000;
const INPUT_FOLDER = '/run/kedge/input';
const JOINED_FOLDER = '/run/kedge/joined';
/** A Secret holds 1 MiB. */
const INPUT_CHUNK_BYTES = 1_000_000;
const INPUT_CHUNKS_MAX = 8;

/** The Job of one execution. Its environment and input are in the Secrets that {@link executionSecrets} makes. */
export function executionJob(request: ExecutionRequest, options: ExecutionJobOptions): JobManifest {
  const { id, command, cwd, limits } = request;
  const { wallMs, graceMs = GRACE_MS } = limits;
  const { namespace, pod, resources, queue, ownerPod } = options;
  const name = objectName(id);
  const input = inputParts(request);
  const [program = '', ...args] = [...input.wrapper, ...command];
  const labels = { ...pod.labels, ...labelsOf(name, options) };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace,
      labels: { ...labels, ...(queue ? { [LABELS.queue]: queue } : {}) },
      annotations: { [ANNOTATIONS.id]: id, [ANNOTATIONS.start]: options.start },
      ...(ownerPod ? { ownerReferences: [reference('v1', 'Pod', ownerPod)] } : {}),
    },
    spec: {
      // Kueue starts what it admits.
      ...(queue ? { suspend: true } : {}),
      completions: 1,
      parallelism: 1,
      backoffLimit: 0,
      // The clock of the executor ends the command; this is for when there is no executor any more.
      activeDeadlineSeconds: Math.ceil((options.startMsMax + wallMs + graceMs) / 1000),
      ttlSecondsAfterFinished: Math.ceil(options.keepMs / 1000),
      podReplacementPolicy: 'Failed',
      template: {
        metadata: { labels },
        spec: podSpec(pod, {
          restartPolicy: 'Never',
          graceMs,
          ...(resources ? { resources } : {}),
          volumes: input.volumes,
          // The first process of a PID namespace has no default reaction to signals: SIGTERM would do nothing.
          shareProcessNamespace: true,
          container: {
            name: CONTAINER,
            command: [verbatim(program)],
            ...(args.length > 0 ? { args: args.map(verbatim) } : {}),
            workingDir: cwd,
            ...(Object.keys(request.env).length > 0 ? { envFrom: [{ secretRef: { name } }] } : {}),
            ...(input.mounts.length > 0 ? { volumeMounts: input.mounts } : {}),
          },
        }),
      },
    },
  };
}

/** The Secrets of an execution; they belong to its Job and go with it. */
export function executionSecrets(
  request: ExecutionRequest,
  options: ExecutionJobOptions & { readonly jobUid: string },
): readonly SecretManifest[] {
  const name = objectName(request.id);
  const secret = (secretName: string, data: Readonly<Record<string, string>>): SecretManifest => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: secretName,
      namespace: options.namespace,
      labels: { ...options.pod.labels, ...labelsOf(name, options) },
      ownerReferences: [reference('batch/v1', 'Job', { name, uid: options.jobUid })],
    },
    type: 'Opaque',
    immutable: true,
    data,
  });
  const env = Object.entries(request.env).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  const chunks = inputChunks(request).map((chunk, index) =>
    secret(`${name}-${index}`, { [chunkKey(index)]: chunk.toString('base64') }),
  );
  return env.length > 0 ? [secret(name, Object.fromEntries(env)), ...chunks] : chunks;
}

/** The pods and Jobs of an owner. */
export function ownerSelector(owner: string): string {
  return `${LABELS.managedBy}=kedge,${LABELS.component}=execution,${LABELS.owner}=${labelValue(owner)}`;
}

function labelsOf(name: string, { owner }: ExecutionJobOptions): Record<string, string> {
  return {
    [LABELS.managedBy]: 'kedge',
    [LABELS.component]: 'execution',
    [LABELS.owner]: labelValue(owner),
    [LABELS.execution]: name,
  };
}

function reference(apiVersion: string, kind: string, owner: { name: string; uid: string }): OwnerReference {
  return { apiVersion, kind, name: owner.name, uid: owner.uid, blockOwnerDeletion: false };
}

interface InputParts {
  /** Words before the command, which bring it its input. */
  readonly wrapper: readonly string[];
  readonly volumes: readonly Volume[];
  readonly mounts: readonly VolumeMount[];
}

/** A container has an empty input of its own; any other is a file of a Secret, which the shell of the image opens. */
function inputParts(request: ExecutionRequest): InputParts {
  const chunks = inputChunks(request);
  if (chunks.length === 0) return { wrapper: [], volumes: [], mounts: [] };
  const name = objectName(request.id);
  const sources = chunks.map((_, index) => ({ secret: { name: `${name}-${index}` } }));
  const input: Volume = { name: 'input', projected: { defaultMode: 0o444, sources } };
  const mount: VolumeMount = { name: 'input', mountPath: INPUT_FOLDER, readOnly: true };
  if (chunks.length === 1) {
    const script = `exec "$@" <${INPUT_FOLDER}/${chunkKey(0)}`;
    return { wrapper: ['/bin/sh', '-c', script, 'sh'], volumes: [input], mounts: [mount] };
  }
  const script = `cat ${INPUT_FOLDER}/chunk-* >${JOINED_FOLDER}/input && exec "$@" <${JOINED_FOLDER}/input`;
  return {
    wrapper: ['/bin/sh', '-c', script, 'sh'],
    volumes: [input, { name: 'joined', emptyDir: {} }],
    mounts: [mount, { name: 'joined', mountPath: JOINED_FOLDER }],
  };
}

function inputChunks({ id, stdin }: ExecutionRequest): readonly Buffer[] {
  if (!stdin || stdin.length === 0) return [];
  const bytesMax = INPUT_CHUNKS_MAX * INPUT_CHUNK_BYTES;
  if (stdin.length > bytesMax) {
    const shown = JSON.stringify(id.slice(0, 80));
    throw executorErrors.invalid(`execution ${shown}: stdin has ${stdin.length} bytes, Kubernetes takes ${bytesMax}`);
  }
  return Array.from({ length: Math.ceil(stdin.length / INPUT_CHUNK_BYTES) }, (_, index) =>
    Buffer.from(stdin.subarray(index * INPUT_CHUNK_BYTES, (index + 1) * INPUT_CHUNK_BYTES)),
  );
}

function chunkKey(index: number): string {
  return `chunk-${index}`;
}
