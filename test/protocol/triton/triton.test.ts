import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mlflowClients } from '../mlflow/tracking-server.ts';
import { type GatewayProcess, play, skipTriton, startGatewayProcess, TRITON_PYTHON } from './gateway-process.ts';

const MLFLOW = mlflowClients();
const WITHIN_MS = 600_000;

describe('unmodified clients of the Open Inference Protocol', { skip: skipTriton, timeout: WITHIN_MS }, () => {
  const python = TRITON_PYTHON ?? '';
  let repository: string;
  let gateway: GatewayProcess;
  before(async () => {
    repository = await mkdtemp(join(tmpdir(), 'kedge-model-repository-'));
    await play(python, 'models.py', [repository]);
    gateway = await startGatewayProcess(
      { KEDGE_MODEL_REPOSITORY: repository, KEDGE_MODEL_CONTROL: 'true', KEDGE_SERVING_DIALECT: 'triton' },
      { canary: true },
    );
  });
  after(async () => {
    await gateway?.stop();
    await rm(repository, { recursive: true, force: true });
  });

  test("Triton's HTTP client works: blocking, in the background, with asyncio, binary and compressed", async () => {
    const passed = await play(python, 'http_client.py', [new URL(gateway.url).host, repository]);
    assert.equal(passed.length, 17);
  });

  test("Triton's gRPC client works: blocking, with callbacks, streaming and with asyncio", async () => {
    const passed = await play(python, 'grpc_client.py', [gateway.grpc, repository, gateway.url]);
    assert.equal(passed.length, 15);
  });

  test("KServe's clients work: the second protocol over REST and gRPC, and the first", async () => {
    const passed = await play(python, 'kserve_client.py', [gateway.url, gateway.grpc]);
    assert.equal(passed.length, 3);
  });
});

const skipMlflow = MLFLOW.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('unmodified MLflow clients are there to score', { skip: skipMlflow }, () => {
  assert.ok(MLFLOW.length > 0);
});

for (const { version, python } of MLFLOW) {
  test(`the unmodified clients of ${version} score and deploy against a gateway`, { timeout: WITHIN_MS }, async (t) => {
    const gateway = await startGatewayProcess({});
    t.after(() => gateway.stop());
    assert.equal((await play(python, 'mlflow_client.py', [gateway.url])).length, 4);
  });
}
