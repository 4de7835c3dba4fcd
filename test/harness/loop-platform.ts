import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { type Config, childEnvironment, loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import type { ModelSignature } from '#serving';
import { compileCache } from '#testing/compile-cache';
import { type DataDir, openDataDir } from '../../src/apps/data-dir.ts';
import type { ProcessBase, ReadyMessage } from '../../src/apps/process.ts';
import { openBlobs } from '../../src/apps/stores.ts';
import { startWorkerProcess } from '../../src/apps/worker/worker-process.ts';

export interface LoopPlatform {
  readonly kedge: Kedge;
  readonly gatewayUrl: string;
  readonly controlPlane: ProcessHandle;
  readonly gateway: ProcessHandle;
  /** Registers a model made by hand, with the evidence that a gate may ask for. Resolves to its version. */
  register(model: string, file: LoopModel, evidence?: readonly LoopEvidence[]): Promise<number>;
  /** Has everything recorded sent on. Resolves to how many predictions that were, and the gateway's routing table. */
  flush(): Promise<{ readonly shipped: number; readonly routing: number }>;
  /** Waits until all that follows is done and the gateway answers accordingly. Fails after `withinMs`. */
  settle(withinMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** A process of the platform, so that it can be killed. */
export interface ProcessHandle {
  /** Kills it without a chance to finish anything. */
  kill(): Promise<void>;
  /** Starts it again on the same address and data. */
  start(): Promise<void>;
}

export interface LoopModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Absent for a model of tensors. */
  readonly signature?: ModelSignature;
}

export interface LoopEvidence {
  readonly kind: string;
  readonly passed: boolean | null;
  readonly data: { readonly [name: string]: string | number };
}

const SETTLE_WITHIN_MS = 60_000;
/** Each look costs the processes that are looked at some of the time in which they could go on. */
const POLL_MS = 20;

export interface LoopOptions {
  /** A worker in this process. */
  readonly worker?: boolean;
  /** Beside the defaults. */
  readonly settings?: Partial<Config>;
}

/**
 * The whole platform as `kedge up` starts it: control plane (over SQLite and LMDB files) and gateway as processes on
 * any free ports and, on demand, a worker in this one, whose steps are processes. Its data is removed at the end.
 */
export async function openLoopPlatform({ worker = false, settings = {} }: LoopOptions = {}): Promise<LoopPlatform> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-loop-'));
  const dataDir = openDataDir(join(dir, 'data'));
  const own = { dataDir: dataDir.root, port: 0, gatewayPort: 0, grpcPort: 0, logLevel: 'fatal' };
  const config = loadConfig({ ...own, ...settings }, {});
  const controlPlane = new PlatformProcess('control-plane', config);
  await controlPlane.start();
  const { url } = controlPlane;
  const { admin, gateway: gatewayToken, worker: workerToken } = dataDir.tokens;
  const child = (token: string): Config => ({ ...config, controlPlaneUrl: url, token });
  const gateway = new PlatformProcess('gateway', child(gatewayToken));
  await gateway.start();
  const workers = worker ? [await startWorkerProcess(baseOf('worker', child(workerToken), dataDir))] : [];
  const gatewayUrl = gateway.url;
  const kedge = connect({ url, token: admin });
  const blobs = await openBlobs(config, dataDir);
  const flush = async (): Promise<{ shipped: number; routing: number }> => {
    const response = await fetch(`${gatewayUrl}/v1/flush`, { method: 'POST' });
    return (await response.json()) as { shipped: number; routing: number };
  };
  return {
    ...{ kedge, gatewayUrl, controlPlane, gateway, flush },
    settle: (withinMs = SETTLE_WITHIN_MS) => settle(kedge, flush, withinMs),
    async register(model, { bytes, signature }, evidence = []) {
      const { digest } = await blobs.put(bytes);
      const artifacts = [{ path: 'model.onnx', digest, bytes: bytes.byteLength }];
      const body = { artifacts, ...(signature ? { signature } : {}), evidence: [...evidence] };
      return (await kedge.registry.registerVersion({ params: { model }, body })).version;
    },
    async stop() {
      await Promise.all(workers.map((running) => running.stop()));
      await gateway.kill();
      await controlPlane.kill();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Polls `found` until it has something. Fails with `what` after `withinMs`, which only a defect takes. */
export async function eventually<T>(
  what: string,
  found: () => Promise<T | undefined> | T | undefined,
  withinMs = SETTLE_WITHIN_MS,
): Promise<T> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > giveUpAt) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function settle(kedge: Kedge, flush: () => Promise<{ routing: number }>, withinMs: number): Promise<void> {
  await flush();
  await eventually(
    'the platform is settled',
    async () => ((await kedge.activity.getSettled()).settled ? true : undefined),
    withinMs,
  );
  const { items } = await kedge.serving.listEndpoints();
  if (!items.some(({ current }) => current)) return;
  await eventually(
    'the gateway has the newest routing table',
    async () => {
      const { version } = await kedge.serving.pollRouting({ query: { after: -1 } });
      return (await flush()).routing >= version ? true : undefined;
    },
    withinMs,
  );
}

function baseOf(role: string, config: Config, dataDir: DataDir): ProcessBase {
  const [logger, metrics] = [createLogger(role, config.logLevel), createMetrics(role)];
  return { role, config, system: realSystem(), logger, metrics, dataDir };
}

/** A process of the platform, which ends only by being killed: what it leaves behind is what a crash leaves behind. */
class PlatformProcess implements ProcessHandle {
  readonly #module: string;
  readonly #config: Config;
  readonly #portKey: 'port' | 'gatewayPort';
  #child: ChildProcess | undefined;
  url = '';

  constructor(name: 'control-plane' | 'gateway', config: Config) {
    this.#module = fileURLToPath(new URL(`../../src/apps/${name}/main.ts`, import.meta.url));
    this.#config = config;
    this.#portKey = name === 'gateway' ? 'gatewayPort' : 'port';
  }

  async start(): Promise<void> {
    const port = this.url ? Number(new URL(this.url).port) : 0;
    const child = fork(this.#module, {
      env: { ...compileCache, ...childEnvironment({ ...this.#config, [this.#portKey]: port }) },
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#child = child;
    this.url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve((message as ReadyMessage).ready['url'] ?? ''));
      child.once('exit', (code) => reject(new Error(`${this.#module} ended with code ${code} before it was ready`)));
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }
}
