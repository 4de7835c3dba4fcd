import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { realSystem } from '#core/system';
import { type Config, childEnvironment, loadConfig } from '#platform/config';
import { Database } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { compileCache } from '#testing/compile-cache';
import { openDataDir } from '../../../src/apps/data-dir.ts';
import { openBlobs, openSql } from '../../../src/apps/stores.ts';
import { CONTROL_PLANE_FLAGS } from '../../../src/apps/supervisor/platform.ts';
import type { StoreSettings } from './artifacts-stores.ts';

const MAIN = fileURLToPath(new URL('../../../src/apps/control-plane/main.ts', import.meta.url));

/** A control plane on data of its own, which can be killed and started again, and whose memory is watched. */
export class ArtifactServer {
  readonly config: Config;
  readonly #folder: string;
  #child: ChildProcess | undefined;
  url = '';

  private constructor(folder: string, settings: StoreSettings) {
    this.#folder = folder;
    const dataDir = join(folder, 'data');
    this.config = loadConfig({ dataDir, port: 0, logLevel: 'fatal', insecureLoopback: true, ...settings }, {});
  }

  static async open(settings: StoreSettings = {}): Promise<ArtifactServer> {
    const server = new ArtifactServer(await mkdtemp(join(tmpdir(), 'kedge-artifacts-')), settings);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const child = fork(MAIN, {
      env: { ...compileCache, ...childEnvironment(this.config) },
      execArgv: ['--disable-warning=ExperimentalWarning', ...CONTROL_PLANE_FLAGS],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { ready: { url: string } }).ready.url));
      child.once('exit', (code) => reject(new Error(`the control plane ended with code ${code} before it was ready`)));
    });
  }

  /** Ends the process, by default without a chance to finish anything. */
  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async close(): Promise<void> {
    await this.end('SIGTERM');
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Works on what lies in the data directory, while no process has it open. */
  async withStores<T>(work: (stores: { db: Database; blobs: BlobStore }) => Promise<T>): Promise<T> {
    const dataDir = openDataDir(this.config.dataDir);
    const db = new Database(await openSql(this.config, dataDir), realSystem());
    try {
      return await work({ db, blobs: await openBlobs(this.config, dataDir) });
    } finally {
      await db.close();
    }
  }

  /** Resident memory now. */
  rssBytes(): number {
    const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
  }
}
