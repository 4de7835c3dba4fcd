import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '#core/clock';
import { systemIds } from '#core/ids';
import { KubernetesApi } from '../api/client.ts';
import { type ClusterAccess, inClusterAccess, kubeconfigAccess } from '../index.ts';
import { accessManifests } from '../manifests/access.ts';
import type { Manifest } from '../manifests/objects.ts';
import { JobController } from './job-controller.ts';
import { Kubelet } from './kubelet.ts';

/** A namespace of a real API server, with stand-ins for its controllers and nodes, and the account of a worker. */
export interface TestCluster {
  /** May do everything. */
  readonly admin: KubernetesApi;
  readonly namespace: string;
  /** May do what the role of a worker allows. */
  readonly access: ClusterAccess;
  close(): Promise<void>;
}

const PLURALS: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  Role: 'roles',
  RoleBinding: 'rolebindings',
};

/** Opens a namespace that admits only pods of the standard "restricted". `path` is a kubeconfig of an administrator. */
export async function openTestCluster(path: string): Promise<TestCluster> {
  const adminAccess = await kubeconfigAccess({ path });
  const admin = new KubernetesApi(adminAccess, systemClock);
  const namespace = systemIds(systemClock).next('kedge').replaceAll('_', '-');
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await admin.call('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
  });
  for (const manifest of accessManifests({ namespace })) await apply(admin, manifest);
  await apply(admin, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });
  const kubelet = await Kubelet.open(admin, namespace);
  const controller = new JobController(admin, namespace);
  const folder = await mkdtemp(join(tmpdir(), 'kedge-account-'));
  const account = `/api/v1/namespaces/${namespace}/serviceaccounts/kedge-worker/token`;
  const { status } = await admin.call<{ status: { token: string } }>('POST', account, { body: { spec: {} } });
  await writeFile(join(folder, 'token'), status.token);
  await writeFile(join(folder, 'namespace'), namespace);
  await writeFile(join(folder, 'ca.crt'), await readFile(join(dirname(path), 'ca.crt')));
  const { hostname, port } = adminAccess.server;
  const environment = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  return {
    admin,
    namespace,
    access: await inClusterAccess({ environment, folder }),
    async close() {
      await controller.close();
      await kubelet.close();
      await admin.call('DELETE', `/api/v1/namespaces/${namespace}`);
      admin.close();
      await rm(folder, { recursive: true });
    },
  };
}

export async function apply(admin: KubernetesApi, manifest: Manifest): Promise<void> {
  const { apiVersion, kind, metadata } = manifest;
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`;
  const query = { fieldValidation: 'Strict' };
  await admin.call('POST', `${root}/namespaces/${metadata.namespace}/${plural}`, { query, body: manifest });
}
