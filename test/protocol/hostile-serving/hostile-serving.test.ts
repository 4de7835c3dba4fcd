import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type GatewayProcess, startGatewayProcess } from '../triton/gateway-process.ts';
import { heldBytes } from './memory.ts';
import { writeRepository } from './models.ts';
import { type HostileRequest, REST_CASES } from './rest-cases.ts';

/** What compiled code and statistics may have come to take beside what is held for requests. */
const SLACK_BYTES = 24 * 1024 * 1024;

describe('a gateway that is sent what it must not take', { timeout: 600_000 }, () => {
  let folder: string;
  let gateway: GatewayProcess;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-hostile-'));
    await writeRepository(folder);
    gateway = await startGatewayProcess(
      { KEDGE_MODEL_REPOSITORY: folder, KEDGE_MODEL_CONTROL: 'true' },
      { inspect: true },
    );
  });
  after(async () => {
    await gateway?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('answers each with its status and stays as it was', async (t) => {
    const inspector = gateway.inspector ?? assert.fail('the gateway has no debugger');
    // Once before, so that what is loaded and compiled for good is there.
    for (const hostile of REST_CASES) await ask(gateway, hostile);
    const before = await heldBytes(inspector);
    for (const hostile of REST_CASES) {
      const { status, body } = await ask(gateway, hostile);
      assert.equal(status, hostile.status, `${hostile.what}: ${body.slice(0, 300)}`);
      assert.equal(typeof (JSON.parse(body) as { error?: string }).error, 'string', hostile.what);
      assert.ok(body.length < 2_000, `${hostile.what} is answered with ${body.length} characters`);
    }
    const grown = (await heldBytes(inspector)) - before;
    t.diagnostic(`${REST_CASES.length} requests, ${Math.round(grown / 1024)} KiB more are held`);
    assert.ok(grown < SLACK_BYTES, `${grown} bytes more are held`);
    await answersAsEver();
  });

  async function answersAsEver(): Promise<void> {
    const input = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1.5, -2] };
    const body = JSON.stringify({ inputs: [input] });
    const { status, body: text } = await ask(gateway, { what: '', path: '/v2/models/FP32/infer', status: 200, body });
    assert.equal(status, 200, text);
    assert.deepEqual((JSON.parse(text) as { outputs: { data: number[] }[] }).outputs[0]?.data, [1.5, -2]);
    assert.ok(gateway.alive);
  }
});

interface Answered {
  readonly status: number;
  readonly body: string;
}

/** Sends a request on a connection of its own, with its path as it stands. */
function ask({ url }: GatewayProcess, { path, method = 'POST', body, headers }: HostileRequest): Promise<Answered> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { hostname, port, path, method, agent: false, headers: { ...length, ...headers } };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    // A body that is refused while it is sent ends in a reset, after the answer.
    sent.on('error', reject).end(body);
  });
}
