import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { play, startGatewayProcess } from '../triton/gateway-process.ts';
import { mlflowClients, startServer } from './tracking-server.ts';

const WITHIN_MS = 600_000;

/** The environment that has ONNX Runtime; tools/ci/mlflow.sh gives it to one. */
function pythonWithOnnx(): string | undefined {
  return mlflowClients().find(({ python }) => {
    const libraries = join(dirname(python), '../lib');
    return readdirSync(libraries).some((name) => existsSync(join(libraries, name, 'site-packages/onnxruntime')));
  })?.python;
}

const python = pythonWithOnnx();
const skip = !python && 'KEDGE_TEST_MLFLOW names no environment with onnxruntime, as tools/ci/mlflow.sh makes one';

test('ONNX models that the unmodified MLflow client registers are served', { skip, timeout: WITHIN_MS }, async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'kedge-onnx-'));
  t.after(() => rm(data, { recursive: true, force: true }));
  const server = await startServer({ KEDGE_DATA: data });
  t.after(() => server.stop());
  const gateway = await startGatewayProcess({ KEDGE_DATA: data, KEDGE_URL: server.url });
  t.after(() => gateway.stop());

  const passed = await play(python ?? '', '../../mlflow/clients/onnx_models.py', [server.url, gateway.url]);

  assert.deepEqual(passed, ['several_inputs_and_outputs', 'images_with_weights_in_a_file_of_their_own', 'texts']);
});
