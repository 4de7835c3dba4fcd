import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '#testing/free-port';
import { type GatewayProcess, skipTriton, startGatewayProcess, TRITON_PYTHON } from './gateway-process.ts';

const SERVER = fileURLToPath(new URL('clients/kserve_server.py', import.meta.url));
const WIRES = ['rest', 'bytes', 'grpc'] as const;

describe("models of KServe's own model server, unmodified", { skip: skipTriton, timeout: 300_000 }, () => {
  let repository: string;
  let gateway: GatewayProcess;
  let stop: () => Promise<void>;
  before(async () => {
    const [http, grpc] = [await freePort(), await freePort()];
    const { PATH = '', HOME = '' } = process.env;
    const env = { PATH, HOME, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    const server = spawn(TRITON_PYTHON ?? '', [SERVER, String(http), String(grpc)], { env, stdio: 'ignore' });
    const ended = new Promise<void>((done) => server.once('exit', () => done()));
    stop = async () => {
      server.kill('SIGKILL');
      await ended;
    };
    const url = `http://127.0.0.1:${http}`;
    const ready = () =>
      fetch(`${url}/v2/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await ready())) {
      assert.equal(server.exitCode, null, 'the server ended before it was ready');
      await setTimeout(50);
    }
    repository = await mkdtemp(join(tmpdir(), 'kedge-external-'));
    const urls = { rest: url, bytes: url, grpc: `grpc://127.0.0.1:${grpc}` };
    for (const wire of WIRES) {
      for (const model of ['sum', 'shout']) {
        const folder = join(repository, `${model}-${wire}`, '1');
        await mkdir(folder, { recursive: true });
        const tensors = wire === 'bytes' ? 'binary' : 'auto';
        const declaration = { runtime: 'external', url: urls[wire], model, tensors, timeoutMs: 20_000 };
        await writeFile(join(folder, 'model.json'), JSON.stringify(declaration));
      }
    }
    gateway = await startGatewayProcess({
      KEDGE_MODEL_REPOSITORY: repository,
      KEDGE_MODEL_SERVERS: `${url}, ${urls.grpc}`,
    });
  });
  after(async () => {
    await gateway?.stop();
    await stop();
    await rm(repository, { recursive: true, force: true });
  });

  const infer = async (model: string, input: object) => {
    const response = await fetch(`${gateway.url}/v2/models/${model}/infer`, {
      method: 'POST',
      body: JSON.stringify({ inputs: [input] }),
    });
    const body = (await response.json()) as { outputs: { data: unknown }[]; error: string };
    return { status: response.status, body };
  };
  const rows = (data: readonly number[]) => ({ name: 'features', datatype: 'FP32', shape: [data.length / 2, 2], data });

  for (const wire of WIRES) {
    test(`are served over ${wire}: numbers, texts, and failures as what they mean`, async () => {
      assert.deepEqual((await infer(`sum-${wire}`, rows([1, 2, 3, 4]))).body.outputs[0]?.data, [3, 7]);
      const text = { name: 'text', datatype: 'BYTES', shape: [2, 1], data: ['a', 'ü'] };
      assert.deepEqual((await infer(`shout-${wire}`, text)).body.outputs[0]?.data, ['A', 'Ü']);
      const refused = await infer(`sum-${wire}`, rows([13, 0]));
      assert.match(refused.body.error, /thirteen is not summed/);
      assert.equal(refused.status, 400);
      const failed = await infer(`sum-${wire}`, rows([14, 0]));
      assert.match(failed.body.error, /fourteen breaks it|Internal server error/);
      assert.equal(failed.status, 500);
    });
  }

  test('are told of with what they take and give', async () => {
    const metadata = await (await fetch(`${gateway.url}/v2/models/sum-grpc`)).json();
    assert.deepEqual((metadata as { inputs: unknown }).inputs, [
      { name: 'features', datatype: 'FP32', shape: [-1, 2] },
    ]);
  });
});
