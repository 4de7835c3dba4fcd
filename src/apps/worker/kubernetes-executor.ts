import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  inClusterAccess,
  type KubernetesExecutor,
  kubeconfigAccess,
  openKubernetesExecutor,
} from '#adapters/exec/kubernetes';
import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import { configErrors } from '#platform/config';
import type { ExecutionRequest } from '#ports/executor';

const names = z.record(z.string(), z.string());

/** The file that `KEDGE_KUBERNETES` names. */
const optionsFile = z.strictObject({
  /** Without it the worker is a pod, and its service account is used. */
  kubeconfig: z.string().exactOptional(),
  context: z.string().exactOptional(),
  namespace: z.string().exactOptional(),
  queue: z.string().exactOptional(),
  /** What a step is granted of each kind that it does not ask for. */
  resources: z.record(z.string(), z.number().positive()).exactOptional(),
  splitStreams: z.boolean().exactOptional(),
  pod: z.strictObject({
    image: z.string(),
    imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).exactOptional(),
    imagePullSecrets: z.array(z.string()).exactOptional(),
    serviceAccount: z.string().exactOptional(),
    nodeSelector: names.exactOptional(),
    tolerations: z
      .array(
        z.strictObject({
          key: z.string().exactOptional(),
          operator: z.enum(['Exists', 'Equal']).exactOptional(),
          value: z.string().exactOptional(),
          effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).exactOptional(),
          tolerationSeconds: z.int().exactOptional(),
        }),
      )
      .exactOptional(),
    priorityClass: z.string().exactOptional(),
    user: z.int().min(1).exactOptional(),
    group: z.int().min(0).exactOptional(),
    folders: z
      .array(
        z.strictObject({
          path: z.string().startsWith('/'),
          claim: z.string(),
          subPath: z.string().exactOptional(),
          readOnly: z.boolean().exactOptional(),
        }),
      )
      .exactOptional(),
    labels: names.exactOptional(),
    resourceNames: names.exactOptional(),
  }),
});

interface Around {
  readonly system: System;
  /** The name of the worker. */
  readonly owner: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Opens the executor that an options file describes, and sweeps away what an earlier process of the worker left. */
export async function openKubernetes(
  path: string,
  { system, owner, environment }: Around,
): Promise<KubernetesExecutor> {
  const { kubeconfig, context, resources, ...rest } = await readOptions(path);
  const access = kubeconfig
    ? await kubeconfigAccess({ path: kubeconfig, environment, ...(context ? { context } : {}) })
    : await inClusterAccess({ environment });
  const resourcesOf = (request: ExecutionRequest) => grantedTo(request, resources);
  const executor = openKubernetesExecutor({ access, system, owner, resourcesOf, ...rest });
  await executor.sweep();
  return executor;
}

/** What the Job of a request asks the cluster for: what its step asks for, and `usual` of everything else. */
export function grantedTo(
  { resources = {} }: Pick<ExecutionRequest, 'resources'>,
  usual: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  return { ...usual, ...resources };
}

async function readOptions(path: string): Promise<z.infer<typeof optionsFile>> {
  const refuse = (why: string): Error => configErrors.invalid(`KEDGE_KUBERNETES '${path}': ${why}`);
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw refuse(messageOf(error));
  }
  const parsed = optionsFile.safeParse(value);
  if (!parsed.success) throw refuse(z.prettifyError(parsed.error));
  return parsed.data;
}
