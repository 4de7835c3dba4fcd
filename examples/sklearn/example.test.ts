import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '#testing/free-port';

const PYTHON = join(process.env['KEDGE_TEST_MLFLOW'] ?? '/nowhere', 'mlflow-3.17', 'bin', 'python');
const skip = existsSync(PYTHON)
  ? false
  : 'KEDGE_TEST_MLFLOW names no folder with an environment mlflow-3.17 (tools/ci/mlflow.sh)';

const KEDGE = fileURLToPath(new URL('../../bin/kedge.mjs', import.meta.url));
const PROJECT = fileURLToPath(new URL('./kedge.ts', import.meta.url));

interface Step {
  readonly step: string;
  readonly status: string;
  readonly reason: string | null;
  readonly result: unknown;
  readonly cachedFrom: string | null;
}
interface Run {
  readonly run: string;
  readonly status: string;
  readonly reason: string | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  readonly steps: readonly Step[];
}

describe('the example of plain Python steps', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-progression-'));
  let platform: ChildProcess | undefined;
  let url = '';

  before(async () => {
    const [port, gatewayPort, grpcPort] = await Promise.all([freePort(), freePort(), freePort()]);
    const ports = ['--port', `${port}`, '--gateway-port', `${gatewayPort}`, '--grpc-port', `${grpcPort}`];
    const args = [KEDGE, 'up', '--data', join(folder, 'data'), '--insecure-loopback', ...ports];
    url = `http://127.0.0.1:${port}`;
    platform = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PATH: pathWithPython(folder), KEDGE_LOG_LEVEL: 'error' },
    });
    await ready(platform);
    await kedge('apply', PROJECT);
  });

  after(async () => {
    if (platform?.exitCode === null) {
      const exited = new Promise((resolve) => platform?.once('exit', resolve));
      platform.kill('SIGTERM');
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  /** What a command answers as JSON, or as text. */
  async function kedge<T>(...args: readonly string[]): Promise<T> {
    const text = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [KEDGE, ...args, '--url', url], { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
        // A run that failed ends the command with code 1, and its answer says why.
        if (error && stdout === '') reject(new Error(stderr));
        else resolve(stdout);
      });
    });
    return args.includes('--json') ? JSON.parse(text) : (text as T);
  }

  const start = (...params: readonly string[]) => kedge<Run>('run', 'progression', '--wait', '--json', ...params);
  const statuses = (run: Run) => run.steps.map(({ status }) => status);

  test('data, validation, training, evaluation, registration, then all from the cache, with the reason', async (t) => {
    const first = await start();
    assert.deepEqual([first.status, first.reason], ['succeeded', null]);
    assert.deepEqual(new Set(statuses(first)), new Set(['succeeded']));
    const { r2, mae } = (first.steps[3] as Step).result as { r2: number; mae: number };
    assert.ok(r2 > 0.4 && r2 < 0.6 && mae > 30 && mae < 60, `r2 ${r2}, mae ${mae}`);
    assert.deepEqual(first.steps[4]?.result, { model: 'progression', version: 1 });

    const second = await start();
    t.diagnostic(`the second run took ${(second.finishedAt ?? 0) - second.createdAt} ms`);
    assert.deepEqual(statuses(second), ['cached', 'cached', 'cached', 'cached', 'cached']);
    const why = await kedge<{ outcome: string; other: { run: string } }[]>('cache', 'explain', second.run, '--json');
    assert.deepEqual(
      why.map(({ outcome, other }) => [outcome, other.run]),
      second.steps.map(() => ['hit', first.run]),
    );
  });

  test('other parameters do anew what depends on them, and a poor model is not registered', async () => {
    const run = await start('-p', 'alpha=100000');
    assert.deepEqual(statuses(run), ['cached', 'cached', 'succeeded', 'succeeded', 'skipped']);
    assert.equal(run.status, 'succeeded');
    assert.match(run.steps[4]?.reason ?? '', /^its condition is not met: evaluate\.r2 is .*, expected at least 0\.4$/);
    const text = await kedge<string>('cache', 'explain', run.run, 'train');
    assert.match(text, /^train: miss, .*params\.alpha\n[\s\S]*params\.alpha +0\.5 +100000\n$/);
  });

  test('MLflow has one run for each training, with its figures and the way back to the pipeline run', async () => {
    const body = JSON.stringify({ experiment_ids: ['0'], max_results: 10 });
    const headers = { 'content-type': 'application/json' };
    const experiments = await (
      await fetch(`${url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=progression`)
    ).json();
    const id = (experiments as { experiment: { experiment_id: string } }).experiment.experiment_id;
    const answer = await fetch(`${url}/api/2.0/mlflow/runs/search`, {
      ...{ method: 'POST', headers, body: body.replace('"0"', `"${id}"`) },
    });
    const { runs } = (await answer.json()) as {
      runs: {
        readonly info: { readonly status: string };
        readonly data: Readonly<
          Record<'metrics' | 'tags', readonly { readonly key: string; readonly value: unknown }[]>
        >;
      }[];
    };
    assert.equal(runs.length, 2);
    for (const { info, data } of runs) {
      assert.equal(info.status, 'FINISHED');
      assert.deepEqual(data.metrics.map(({ key }) => key).sort(), ['mae', 'r2']);
      const tags = new Map(data.tags.map(({ key, value }) => [key, value]));
      assert.equal(tags.get('kedge.step'), 'train');
      assert.match(String(tags.get('kedge.run')), /^prun_/);
    }
  });
});

/** The example asks for `python3` on the PATH. Not a link, from which Python would not find its environment. */
function pathWithPython(folder: string): string {
  const program = join(folder, 'python3');
  writeFileSync(program, `#!/bin/sh\nexec '${PYTHON.replaceAll("'", `'\\''`)}' "$@"\n`);
  chmodSync(program, 0o755);
  return `${folder}${delimiter}${process.env['PATH']}`;
}

function ready(platform: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    platform.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Kedge is ready')) resolve();
    });
    platform.once('exit', (code) => reject(new Error(`kedge up ended with code ${code} before it was ready`)));
  });
}
