import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mlflowClients } from '../mlflow/tracking-server.ts';
import { startGatewayProcess } from './gateway-process.ts';

const WITHIN_MS = 600_000;
const SAVE = fileURLToPath(new URL('../mlflow/clients/save_model.py', import.meta.url));
const newest = mlflowClients().at(-1);
const skip = !newest && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';

test('the unmodified `mlflow models serve` runs a model behind the gateway', {
  skip,
  timeout: WITHIN_MS,
}, async (t) => {
  const python = newest?.python ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'kedge-mlflow-serve-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const place = join(folder, 'models/line/1');
  await mkdir(place, { recursive: true });
  const environment = {
    PATH: `${dirname(python)}:/usr/local/bin:/usr/bin:/bin`,
    ...{ OMP_NUM_THREADS: '1', MLFLOW_DISABLE_TELEMETRY: 'true', GIT_PYTHON_REFRESH: 'quiet' },
  };
  const { HOME = '' } = process.env;
  await promisify(execFile)(python, [SAVE, join(place, 'saved')], {
    env: { ...environment, HOME },
    timeout: WITHIN_MS,
  });
  const serve = ['-m', 'mlflow', 'models', 'serve', '-m', '{model}/saved', '--env-manager', 'local'];
  const column = (name: string) => ({ name, datatype: 'FP64', shape: [-1, 1] });
  const declaration = {
    runtime: 'process',
    protocol: 'invocations',
    command: [python, ...serve, '-h', '127.0.0.1', '-p', '{port}'],
    environment,
    tensors: { inputs: [column('a'), column('b')], outputs: [{ name: 'y', datatype: 'FP64', shape: [-1] }] },
    ...{ startTimeoutMs: WITHIN_MS, timeoutMs: 60_000 },
  };
  await writeFile(join(place, 'model.json'), JSON.stringify(declaration));
  const gateway = await startGatewayProcess({
    ...{ KEDGE_MODEL_REPOSITORY: join(folder, 'models'), KEDGE_MODEL_PROCESSES: 'any' },
    KEDGE_MODEL_MEMORY_BYTES: String(4 * 1024 ** 3),
  });
  t.after(() => gateway.stop());

  const ready = await fetch(`${gateway.url}/v2/models/line/ready`);
  assert.equal(ready.status, 200);
  const response = await fetch(`${gateway.url}/v2/models/line/infer`, {
    method: 'POST',
    body: JSON.stringify({
      inputs: [
        { name: 'a', datatype: 'FP64', shape: [2, 1], data: [1, 3] },
        { name: 'b', datatype: 'FP64', shape: [2, 1], data: [2, 4] },
      ],
    }),
  });
  const { outputs, error } = (await response.json()) as { outputs?: { data: number[] }[]; error?: string };
  assert.equal(error, undefined);
  assert.deepEqual(
    outputs?.[0]?.data.map((y) => Math.round(y * 1e6) / 1e6),
    [4, 10],
  );
});
