import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openProcessExecutor } from '#adapters/exec/process';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { workContract } from '#pipelines/contract';
import { inheritedEnvironment, loadConfig } from '#platform/config';
import { createClient } from '#platform/contract';
import { createLogger, createMetrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { Execution, ExecutionRequest, Executor } from '#ports/executor';
import { openControlPlane } from '../control-plane/control-plane.ts';
import { openDataDir } from '../data-dir.ts';
import { openBlobs } from '../stores.ts';
import { runWorker } from '../worker/run-worker.ts';

/** A whole platform for tests of pipelines: a control plane and a worker in this process, in a folder of their own. */
export interface TestPlatform {
  readonly kedge: Kedge;
  readonly blobs: BlobStore;
  readonly folder: string;
  /** Files that steps wrote where outputs go and did not declare, by attempt. */
  readonly undeclared: ReadonlyMap<string, readonly string[]>;
  close(): Promise<void>;
}

const SLOTS = 2;

export async function openTestPlatform(): Promise<TestPlatform> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-test-'));
  const system = realSystem();
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  const plane = await openControlPlane({ role: 'test', config, system, logger, metrics, dataDir });
  const url = await plane.start();
  const stop = new AbortController();
  const { admin, worker: token } = dataDir.tokens;
  const blobs = await openBlobs(config, dataDir);
  const undeclared = new Map<string, readonly string[]>();
  const processes = openProcessExecutor({ clock: system.clock, environment: inheritedEnvironment() });
  const running = runWorker({
    ...{ name: 'test', slots: SLOTS, system, logger, blobs, signal: stop.signal },
    client: createClient(workContract, { baseUrl: url, token }),
    connection: { url, token },
    executor: watchingOutputs(processes, undeclared),
    scratchDir: join(folder, 'scratch'),
  });
  return {
    kedge: connect({ url, token: admin }),
    blobs,
    folder,
    undeclared,
    async close() {
      stop.abort();
      await running;
      plane.server.app.server.closeAllConnections();
      await plane.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Looks, when a command has ended, for files beside the outputs that its step declared. */
function watchingOutputs(executor: Executor, undeclared: Map<string, readonly string[]>): Executor {
  return {
    async start(request: ExecutionRequest): Promise<Execution> {
      const execution = await executor.start(request);
      const exited = execution.exited.then(async (exit) => {
        const found = await readdir(join(dirname(request.cwd), 'out')).catch(() => []);
        undeclared.set(request.id, found);
        return exit;
      });
      return { ...execution, id: execution.id, exited, stop: (graceMs) => execution.stop(graceMs) };
    },
  };
}
