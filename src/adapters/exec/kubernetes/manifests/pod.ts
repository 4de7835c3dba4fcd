import { executorErrors } from '#ports/executor';
import type { Container, PodSpec, Toleration, Volume, VolumeMount } from './objects.ts';

/** What the pods of a cluster have in common, whatever runs in them. */
export interface PodOptions {
  readonly image: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  /** Secrets of the namespace with the credentials of the image registry. */
  readonly imagePullSecrets?: readonly string[];
  /** The namespace's `default` without it. Its token is not given to the pod. */
  readonly serviceAccount?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly Toleration[];
  readonly priorityClass?: string;
  /** Numbers of the user and the group. Without them those of the image, which must not be root. */
  readonly user?: number;
  readonly group?: number;
  /** Folders that pods and workers share, such as the scratch folder of the worker. */
  readonly folders?: readonly SharedFolder[];
  /** More labels of everything that is made. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Tells Kubernetes' names of resources that are not `cpu` or `memoryGiB`. `{ gpu: 'nvidia.com/gpu' }` by default. */
  readonly resourceNames?: Readonly<Record<string, string>>;
}

export interface SharedFolder {
  /** The absolute path, the same in the pod as for whoever starts it. */
  readonly path: string;
  /** The persistent volume claim that holds it. */
  readonly claim: string;
  /** The folder inside the volume. */
  readonly subPath?: string;
  readonly readOnly?: boolean;
}

/** Amounts by name: `cpu` in cores, `memoryGiB`, and whatever `resourceNames` knows, in whole numbers. */
export type Resources = Readonly<Record<string, number>>;

export interface PodParts {
  readonly restartPolicy: PodSpec['restartPolicy'];
  readonly graceMs: number;
  readonly container: Omit<Container, 'image' | 'imagePullPolicy' | 'resources' | 'securityContext'>;
  readonly resources?: Resources;
  readonly volumes?: readonly Volume[];
  readonly subdomain?: string;
  readonly shareProcessNamespace?: boolean;
}

/** A pod that a namespace with the Pod Security Standard "restricted" admits. */
export function podSpec(options: PodOptions, parts: PodParts): PodSpec {
  const { user, group, folders = [] } = options;
  const claims = new Map(folders.map(({ claim }) => [claim, `folder-${claim}`]));
  const volumes: readonly Volume[] = [
    ...[...claims].map(([claimName, name]) => ({ name, persistentVolumeClaim: { claimName } })),
    ...(parts.volumes ?? []),
  ];
  const volumeMounts = [...folders.map(mountOf), ...(parts.container.volumeMounts ?? [])];
  return {
    restartPolicy: parts.restartPolicy,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(parts.shareProcessNamespace === undefined ? {} : { shareProcessNamespace: parts.shareProcessNamespace }),
    terminationGracePeriodSeconds: graceSeconds(parts.graceMs),
    ...(options.serviceAccount ? { serviceAccountName: options.serviceAccount } : {}),
    ...(parts.subdomain ? { subdomain: parts.subdomain } : {}),
    ...(options.priorityClass ? { priorityClassName: options.priorityClass } : {}),
    ...(options.nodeSelector ? { nodeSelector: options.nodeSelector } : {}),
    ...(options.tolerations ? { tolerations: options.tolerations } : {}),
    ...(options.imagePullSecrets ? { imagePullSecrets: options.imagePullSecrets.map((name) => ({ name })) } : {}),
    securityContext: {
      runAsNonRoot: true,
      ...(user === undefined ? {} : { runAsUser: user }),
      ...(group === undefined ? {} : { runAsGroup: group, fsGroup: group }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        ...parts.container,
        image: options.image,
        ...(options.imagePullPolicy ? { imagePullPolicy: options.imagePullPolicy } : {}),
        ...resourceField(parts.resources, options.resourceNames),
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        ...(volumeMounts.length > 0 ? { volumeMounts } : {}),
      },
    ],
    ...(volumes.length > 0 ? { volumes } : {}),
  };
}

/** Kubernetes counts graces in seconds, and 0 would mean that nobody waits for the end. */
export function graceSeconds(graceMs: number): number {
  return Math.max(1, Math.ceil(graceMs / 1000));
}

/**
 * Words as they are written in `command`, `args` and `env` of a container: Kubernetes expands `$(NAME)` there and takes
 * `$$` for `$`.
 */
export function verbatim(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function mountOf({ path, claim, subPath, readOnly }: SharedFolder): VolumeMount {
  return {
    name: `folder-${claim}`,
    mountPath: path,
    ...(subPath ? { subPath } : {}),
    ...(readOnly ? { readOnly } : {}),
  };
}

/** Requests equal limits, so that the pod is of the class "Guaranteed", which is evicted last. */
function resourceField(
  resources: Resources = {},
  names: Readonly<Record<string, string>> = { gpu: 'nvidia.com/gpu' },
): Pick<Container, 'resources'> {
  const amounts = Object.fromEntries(Object.entries(resources).map((entry) => quantity(entry, names)));
  return Object.keys(amounts).length === 0 ? {} : { resources: { requests: amounts, limits: amounts } };
}

function quantity([name, amount]: [string, number], names: Readonly<Record<string, string>>): [string, string] {
  const refuse = (why: string): Error => executorErrors.invalid(`resource ${JSON.stringify(name)}: ${why}`);
  if (!(amount > 0 && amount <= 1e9)) throw refuse(`${amount} is not above 0 and at most 1e9`);
  if (name === 'cpu') return ['cpu', `${Math.ceil(amount * 1000)}m`];
  if (name === 'memoryGiB') return ['memory', `${Math.ceil(amount * 1024)}Mi`];
  const known = names[name];
  if (!known) throw refuse('the cluster has no name for it, which `resourceNames` would tell');
  if (!Number.isInteger(amount)) throw refuse(`${amount} is not a whole number, which '${known}' needs`);
  return [known, String(amount)];
}
