import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLocalLog } from '#adapters/log/local';
import { realSystem } from '#core/system';
import type { CallerTable } from '#platform/accounts/contract';
import { createLogger, createMetrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { CheckReport } from '../../checks/check-result.ts';
import type { CheckWork } from '../../checks/routes.ts';
import { armTensorsOf } from '../../declared-arm.ts';
import type { Observation } from '../../live/observation.ts';
import { readOnnxTensors } from '../../onnx-tensors.ts';
import type { Arm, RoutedEndpoint, RoutingTable, TensorVersion } from '../../routing.ts';
import { encodeEntry } from '../recording/entry-codec.ts';
import { unpackPredictions } from '../recording/packed-predictions.ts';
import type { LogEntry, PredictionRecord } from '../recording/prediction-record.ts';
import { writeRoutingFile } from '../routing-file.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../start-gateway.ts';
import type { TestModel } from './models.ts';

/**
 * A control plane that a test writes by hand: it holds a routing table and keeps what gateways send. It is the other
 * end of the wire, not a replacement of ours.
 */
export class ScriptedControlPlane {
  readonly records: PredictionRecord[] = [];
  readonly reports: unknown[] = [];
  readonly observations: Observation[] = [];
  readonly checks: CheckReport[] = [];
  /** By rollout. */
  readonly checkWork = new Map<string, CheckWork>();
  readonly versions = new Map<string, Arm | TensorVersion>();
  #callers: CallerTable = { tag: 'none', keys: [], barred: [] };
  /** What `POST /api/v1/predictions/packed` answers for these records. */
  onPredictions: (records: readonly PredictionRecord[]) => number = () => 200;
  #table: RoutingTable = { version: -1, endpoints: {} };
  #waiting: (() => void)[] = [];
  #waitingForCallers: (() => void)[] = [];
  readonly #server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent = Buffer.concat(chunks);
      const isJson = request.headers['content-type'] === 'application/json';
      const body = isJson && sent.length > 0 ? JSON.parse(sent.toString()) : undefined;
      const answer = (status: number, value: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      };
      if (url.pathname === '/api/v1/routing') {
        const send = (): void => answer(200, this.#table);
        if (this.#table.version === Number(url.searchParams.get('after'))) this.#waiting.push(send);
        else send();
      } else if (url.pathname === '/api/v1/callers') {
        const send = (): void => answer(200, this.#callers);
        if (this.#callers.tag === url.searchParams.get('after')) this.#waitingForCallers.push(send);
        else send();
      } else if (url.pathname === '/api/v1/predictions/packed') {
        const records = unpackPredictions(sent, 2_000);
        const status = this.onPredictions(records);
        if (status === 200) this.records.push(...records);
        answer(status, {});
      } else if (url.pathname === '/api/v1/guardrail-reports') {
        this.reports.push(body);
        answer(200, { accepted: true });
      } else if (url.pathname === '/api/v1/rollout-observations') {
        this.observations.push(body);
        answer(200, { accepted: true });
      } else if (url.pathname === '/api/v1/rollout-checks') {
        this.checks.push(body);
        answer(200, { accepted: true });
      } else if (url.pathname.endsWith('/checks')) {
        const work = this.checkWork.get(url.pathname.split('/').at(-2) ?? '');
        answer(work ? 200 : 404, work ?? { code: 'serving/rollout-not-found', status: 404 });
      } else {
        const match = /models\/([^/]+)\/versions\/(\d+)$/.exec(url.pathname);
        const arm = match && this.versions.get(`${match[1]}@${match[2]}`);
        answer(arm ? 200 : 404, arm ?? { code: 'serving/version-not-found', status: 404 });
      }
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  route(table: RoutingTable): void {
    this.#table = table;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const send of waiting) send();
  }

  admit(table: CallerTable): void {
    this.#callers = table;
    for (const send of this.#waitingForCallers.splice(0)) send();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface GatewayHarness {
  readonly gateway: Gateway;
  readonly controlPlane: ScriptedControlPlane;
  readonly blobs: BlobStore;
  readonly folder: string;
  post(
    path: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ readonly status: number; readonly body: Answer }>;
  close(): Promise<void>;
}

/** The fields of all answers together: a test reads the one that it expects, and fails when it is not there. */
export interface Answer {
  readonly id: string;
  readonly endpoint: string;
  readonly revision: string;
  readonly arm: string;
  readonly fallback: boolean | undefined;
  readonly propensity: number | undefined;
  readonly output: { readonly probability: number; readonly value: number };
  readonly features: Readonly<Record<string, number | null>>;
  readonly predictions: readonly (Answer & { readonly error: { readonly code: string } })[];
  readonly code: string;
  readonly detail: string;
  readonly fields: readonly { readonly path: string }[];
  readonly shipped: number;
  readonly name: string;
  readonly error: unknown;
  readonly outputs: readonly { readonly data: readonly number[] }[];
}

type Passed =
  | ('tenants' | 'shared' | 'access' | 'limits' | 'runtime' | 'modelServers' | 'modelProcesses' | 'executor')
  | ('features' | 'grpcPort' | 'dialect' | 'tls' | 'contract' | 'logger' | 'callbacks' | 'watch');

export interface HarnessOptions extends Partial<Pick<GatewayOptions, Passed>> {
  /** Models of the repository, by `<model>/<version>/<file>`; given, clients may load and unload them. */
  readonly repository?: Readonly<Record<string, Uint8Array | string>>;
  /** Makes the routing table; models are put into the blob store by {@link armOf}. */
  readonly table: (put: (model: TestModel, name: string, version: number) => Promise<Arm>) => Promise<RoutingTable>;
  /** What a process that is gone left in the log. */
  readonly inherited?: readonly LogEntry[];
  /** What the control plane says to predictions from the start on; it takes them as a rule. */
  readonly onPredictions?: ScriptedControlPlane['onPredictions'];
}

/** A real gateway over loopback with real stores in a temporary folder. */
export async function openGateway(options: HarnessOptions): Promise<GatewayHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-gateway-'));
  const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
  const log = await openLocalLog({ folder: join(folder, 'log') });
  if (options.inherited) log.appendSync(options.inherited.map(encodeEntry));
  const controlPlane = new ScriptedControlPlane();
  if (options.onPredictions) controlPlane.onPredictions = options.onPredictions;
  const url = await controlPlane.listen();
  const table = await options.table((model, name, version) => putModel(blobs, model, { name, version }));
  controlPlane.route(table);
  await writeRoutingFile(join(folder, 'routing.json'), table);
  const repository = options.repository && (await writeRepository(join(folder, 'models'), options.repository));
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    grpcPort: options.grpcPort ?? null,
    controlPlane: { url },
    routingFile: join(folder, 'routing.json'),
    ...{ blobs, log },
    system: realSystem(),
    logger: options.logger ?? createLogger('test', 'fatal'),
    metrics: createMetrics('test'),
    shipEveryMs: 10,
    sampleEveryMs: 20,
    ...(options.limits ? { limits: options.limits } : {}),
    ...(options.runtime ? { runtime: options.runtime } : {}),
    ...{ modelServers: options.modelServers, modelProcesses: options.modelProcesses, executor: options.executor },
    ...(options.features ? { features: options.features } : {}),
    ...{
      repository,
      access: options.access,
      shared: options.shared,
      tenants: options.tenants,
      tls: options.tls,
      callbacks: options.callbacks,
      watch: options.watch,
      dialect: options.dialect ?? 'kedge',
      contract: options.contract ?? {},
    },
  });
  return {
    ...{ gateway, controlPlane, blobs, folder },
    async post(path, body, headers = {}) {
      const response = await fetch(gateway.url + path, {
        method: 'POST',
        headers,
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Answer };
    },
    async close() {
      await gateway.close();
      await controlPlane.close();
      await log.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function writeRepository(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<{ readonly folder: string; readonly control: boolean }> {
  await mkdir(folder, { recursive: true });
  for (const [place, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, place)), { recursive: true });
    await writeFile(join(folder, place), content);
  }
  return { folder, control: true };
}

/** Stores a model and describes it as the routing table does; one without columns by its tensors. */
export async function putModel(
  blobs: BlobStore,
  model: TestModel,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<Arm> {
  const { digest } = await blobs.put(model.bytes);
  const arm = { revision: `${name}@${version}`, model: name, version, digest, signature: model.signature };
  if (model.signature.inputs.length > 0) return arm;
  return { ...arm, tensors: armTensorsOf(await readOnnxTensors(await blobs.localPath(digest))) };
}

/** An endpoint of the routing table with lenient limits. */
export function endpointOf(
  name: string,
  current: Arm,
  more: Partial<Omit<RoutedEndpoint, 'name' | 'current'>> = {},
): RoutedEndpoint {
  const guardrail = { errorRateMax: 0.5, latencyP95MsMax: 10_000, requestsMin: 1_000_000, windowMs: 60_000 };
  return { name, current, features: null, guardrail, timeoutMs: 5_000, locked: false, ...more };
}
