import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { ApiError, type KubernetesApi } from '../api/client.ts';
import type { ReadPod } from '../api/objects.ts';
import { Collection } from '../api/watch.ts';
import { type Mount, PodProcess } from './pod-process.ts';

/** What the stand-in reads of a pod. */
export interface KubeletPod extends ReadPod {
  readonly metadata: ReadPod['metadata'] & { readonly namespace: string; readonly deletionGracePeriodSeconds?: number };
  readonly spec: {
    readonly nodeName?: string;
    readonly nodeSelector?: Readonly<Record<string, string>>;
    readonly containers: readonly [KubeletContainer];
    readonly volumes?: readonly {
      name: string;
      emptyDir?: object;
      projected?: { sources: { secret: { name: string } }[] };
    }[];
  };
}

export interface KubeletContainer {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Secret {
  readonly data?: Readonly<Record<string, string>>;
}

const NODE = 'kedge-test-node';
/** An image that the stand-in cannot pull. */
export const MISSING_IMAGE = 'registry.invalid/missing:1';

/**
 * Plays scheduler and kubelet on a cluster that has none: it binds pods to a node of its own, runs their containers as
 * processes of this machine (nothing of the image is used), writes their status, and serves their logs to the API
 * server, as far as the executor can tell the difference.
 */
export class Kubelet {
  readonly #api: KubernetesApi;
  readonly #namespace: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #over = new AbortController();
  readonly #processes = new Map<string, PodProcess>();
  readonly #working = new Set<Promise<void>>();
  #following: Promise<void> = Promise.resolve();

  static async open(api: KubernetesApi, namespace: string): Promise<Kubelet> {
    const folder = await mkdtemp(join(tmpdir(), 'kedge-kubelet-'));
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    const subject = ['-subj', '/CN=kedge-test-node', '-days', '2'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, '-keyout', key, '-out', cert],
      {
        stdio: 'ignore',
      },
    );
    const kubelet = new Kubelet(api, { namespace, folder, key: await readFile(key), cert: await readFile(cert) });
    await kubelet.#begin();
    return kubelet;
  }

  private constructor(
    api: KubernetesApi,
    { namespace, folder, key, cert }: { namespace: string; folder: string; key: Buffer; cert: Buffer },
  ) {
    this.#api = api;
    this.#namespace = namespace;
    this.#folder = folder;
    this.#server = createServer({ key, cert }, (request, response) => {
      // /containerLogs/<namespace>/<pod>/<container>
      const url = new URL(request.url ?? '/', 'https://node');
      const process = this.#processes.get(url.pathname.split('/')[3] ?? '');
      if (!process) {
        response.writeHead(404).end('no such pod');
        return;
      }
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.flushHeaders();
      process.log.serve(url.searchParams, response);
    });
  }

  async close(): Promise<void> {
    this.#over.abort();
    for (const process of this.#processes.values()) process.kill();
    await Promise.all([this.#following, ...this.#working]);
    await this.#api.call('DELETE', `/api/v1/nodes/${this.#nodeName}`).catch(() => {});
    this.#server.closeAllConnections();
    this.#server.close();
    await rm(this.#folder, { recursive: true });
  }

  /** A node for each stand-in, because tests may run at the same time. */
  get #nodeName(): string {
    return `${NODE}-${this.#namespace}`;
  }

  async #begin(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: this.#nodeName } };
    await this.#api.call('POST', '/api/v1/nodes', { body: node });
    await this.#api.call('PUT', `/api/v1/nodes/${this.#nodeName}/status`, {
      body: {
        ...node,
        status: {
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          daemonEndpoints: { kubeletEndpoint: { Port: port } },
        },
      },
    });
    const pods = new Collection<KubeletPod>({
      api: this.#api,
      path: `/api/v1/namespaces/${this.#namespace}/pods`,
      labelSelector: '',
      clock: systemClock,
      random: seededRandom(1),
      onObject: (pod) => this.#see(pod),
      onGone: ({ metadata }) => this.#processes.get(metadata.name)?.kill(),
    });
    this.#following = pods.follow(this.#over.signal);
  }

  #see(pod: KubeletPod): void {
    const { name, deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
    const process = this.#processes.get(name);
    if (deletionTimestamp && process?.hasStarted) {
      process.terminate((deletionGracePeriodSeconds ?? 0) * 1000);
    } else if (deletionTimestamp && pod.spec.nodeName) {
      // Nothing runs that would have to end first.
      void this.#api.call('DELETE', this.#path(pod), { body: { gracePeriodSeconds: 0 } }).catch(() => {});
    }
    if (process || deletionTimestamp || pod.status?.phase !== 'Pending') return;
    const started = new PodProcess();
    this.#processes.set(name, started);
    const working = this.#run(pod, started)
      .catch((error) => {
        // A pod that was deleted in the middle of it.
        if (!(error instanceof ApiError && error.status === 404) && !this.#over.signal.aborted) throw error;
      })
      .finally(() => this.#working.delete(working));
    this.#working.add(working);
  }

  async #run(pod: KubeletPod, process: PodProcess): Promise<void> {
    const [container] = pod.spec.containers;
    if (pod.spec.nodeSelector) {
      const reason = { reason: 'Unschedulable', message: '0/1 nodes are available: 1 node(s) did not match' };
      const conditions = [{ type: 'PodScheduled', status: 'False', ...reason }];
      return this.#status(pod, { phase: 'Pending', conditions });
    }
    await this.#api.call('POST', `${this.#path(pod)}/binding`, {
      body: {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: pod.metadata.name },
        target: { apiVersion: 'v1', kind: 'Node', name: this.#nodeName },
      },
    });
    if (container.image === MISSING_IMAGE) {
      const waiting = { reason: 'ImagePullBackOff', message: `Back-off pulling image "${container.image}"` };
      return this.#status(pod, { phase: 'Pending', containerStatuses: [statusOf(container, { waiting })] });
    }
    const env = await this.#environment(container);
    const mounts = await this.#mounts(pod);
    const startedAt = new Date().toISOString();
    const failure = await process.start(container, { env, mounts });
    if (failure) {
      const terminated = { exitCode: 128, reason: 'StartError', message: failure, startedAt, finishedAt: startedAt };
      return this.#status(pod, { phase: 'Failed', containerStatuses: [statusOf(container, { terminated })] });
    }
    await this.#status(pod, { phase: 'Running', containerStatuses: [statusOf(container, { running: { startedAt } })] });
    const exitCode = await process.exitCode;
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    const terminated = { exitCode, reason, startedAt, finishedAt: new Date().toISOString() };
    await this.#status(pod, {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [statusOf(container, { terminated })],
    });
    if (process.isTerminating) await this.#api.call('DELETE', this.#path(pod), { body: { gracePeriodSeconds: 0 } });
  }

  async #environment({ envFrom = [] }: KubeletContainer): Promise<Record<string, string>> {
    const secrets = await Promise.all(envFrom.map(({ secretRef }) => this.#secret(secretRef.name)));
    const entries = secrets.flatMap((data) => Object.entries(data));
    return Object.fromEntries(entries.map(([name, value]) => [name, value.toString('utf8')]));
  }

  async #mounts({ spec, metadata }: KubeletPod): Promise<readonly Mount[]> {
    const mounts: Mount[] = [];
    for (const { name, mountPath } of spec.containers[0].volumeMounts ?? []) {
      const source = join(await mkdtemp(join(this.#folder, `${metadata.name}-`)));
      const volume = spec.volumes?.find((found) => found.name === name);
      for (const { secret } of volume?.projected?.sources ?? []) {
        for (const [key, value] of Object.entries(await this.#secret(secret.name))) {
          await writeFile(join(source, key), value);
        }
      }
      mounts.push({ source, target: mountPath });
    }
    return mounts;
  }

  /** A kubelet waits for Secrets that are not there yet. */
  async #secret(name: string): Promise<Record<string, Buffer>> {
    for (;;) {
      try {
        const path = `/api/v1/namespaces/${this.#namespace}/secrets/${name}`;
        const { data = {} } = await this.#api.call<Secret>('GET', path);
        return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404) || this.#over.signal.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Writes the status of a pod over what another has written in between. */
  async #status(pod: KubeletPod, status: object): Promise<void> {
    for (;;) {
      try {
        const current = await this.#api.call<KubeletPod>('GET', this.#path(pod));
        const body = { ...current, status: { ...current.status, ...status } };
        await this.#api.call('PUT', `${this.#path(pod)}/status`, { body });
        return;
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 409)) throw error;
      }
    }
  }

  #path({ metadata }: KubeletPod): string {
    return `/api/v1/namespaces/${this.#namespace}/pods/${metadata.name}`;
  }
}

function statusOf({ name, image }: KubeletContainer, state: object): object {
  return { name, image, imageID: image, state, ready: false, restartCount: 0 };
}
