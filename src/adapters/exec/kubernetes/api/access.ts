import { readFile } from 'node:fs/promises';
import { defineErrors, messageOf } from '#core/errors';

/** How to reach an API server. */
export interface ClusterAccess {
  readonly server: URL;
  /** The namespace that is meant when none is named. */
  readonly namespace: string;
  /** The credentials of this moment. They rotate: call it again after some time, and with `fresh` after a refusal. */
  credentials(options?: { readonly fresh?: boolean }): Promise<Credentials>;
}

export interface Credentials {
  readonly token?: string;
  /** Certificates that the server's is checked against, in PEM; those that Node trusts without it. */
  readonly ca?: string;
  /** The client's certificate and its key, in PEM. */
  readonly cert?: string;
  readonly key?: string;
  /** The name in the server's certificate, when it is not that of its address. */
  readonly serverName?: string;
  /** When they expire, on the wall clock, if that is known. */
  readonly expiresAt?: number;
}

export const kubernetesErrors = defineErrors('kubernetes', {
  'invalid-config': { status: 400, title: 'Not a configuration of access to a Kubernetes cluster' },
});

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface InClusterOptions {
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are in it, in a pod. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where token, certificate and namespace of the service account are mounted. */
  readonly folder?: string;
}

/** Access of a pod by its service account. Its files are read again each time, because the kubelet renews the token. */
export async function inClusterAccess({
  environment,
  folder = ACCOUNT_FOLDER,
}: InClusterOptions): Promise<ClusterAccess> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (!host) throw kubernetesErrors['invalid-config']('KUBERNETES_SERVICE_HOST is not set: this is not a pod');
  const read = (name: string): Promise<string> => readText(`${folder}/${name}`);
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: (await read('namespace')).trim(),
    async credentials() {
      const [token, ca] = await Promise.all([read('token'), read('ca.crt')]);
      return { token: token.trim(), ca };
    },
  };
}

export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw kubernetesErrors['invalid-config'](`'${path}' cannot be read: ${messageOf(error)}`);
  }
}
