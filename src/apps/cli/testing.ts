import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { compileCache } from '#testing/compile-cache';
import { openControlPlane } from '../control-plane/control-plane.ts';
import { openDataDir } from '../data-dir.ts';

const KEDGE = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Runs a command of the command line in a process of its own, with nothing of this one's environment. */
export function kedge(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const words = ['--disable-warning=ExperimentalWarning', KEDGE, ...args];
    execFile(process.execPath, words, { env: { ...compileCache, ...env } }, (error, ...texts) =>
      resolve({ code: Number(error?.code ?? 0), stdout: texts[0], stderr: texts[1] }),
    );
  });
}

/** A control plane in this process on a free port. Whoever opens it stops it and removes the folder. */
export async function serveControlPlane() {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-cli-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  const plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  return { folder, plane, url: await plane.start(), token: dataDir.tokens.admin };
}
