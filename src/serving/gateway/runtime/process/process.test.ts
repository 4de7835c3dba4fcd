import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openProcessExecutor } from '#adapters/exec/process';
import { systemClock } from '#core/clock';
import type { RoutingTable } from '../../../routing.ts';
import { endpointOf, type GatewayHarness, type HarnessOptions, openGateway } from '../../testing/gateway-harness.ts';
import type { TestModel } from '../../testing/models.ts';
import { LogTail } from './log-tail.ts';

const executor = openProcessExecutor({ clock: systemClock, environment: { PATH: process.env['PATH'] } });
const NO_ENDPOINTS: RoutingTable = { version: 1, endpoints: {} };

/** Speaks either protocol at a port or a socket: y = 2x, and it ends when x is 13. */
const SERVER = `
const { createServer } = require('node:http');
const [, at, say] = process.argv;
if (say) console.error(say);
if (say?.startsWith('giving')) process.exit(3);
createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const answer = (value) => response.end(JSON.stringify(value));
    const tensor = (name) => ({ name, datatype: 'FP32', shape: [-1, 1] });
    if (request.url === '/ping' || request.url.endsWith('/ready')) return answer({});
    if (request.url === '/v2') return answer({ extensions: [] });
    if (request.url === '/v2/models/model') return answer({ inputs: [tensor('x')], outputs: [tensor('y')] });
    const body = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const { columns, data } = body.dataframe_split ?? {};
    if (columns) {
      const place = columns.indexOf('x');
      if (data.some((row) => row[place] === 13)) process.exit(9);
      return answer({ predictions: data.map((row) => 2 * row[place]) });
    }
    if (!body.inputs) return response.writeHead(404).end();
    const [{ data: given, shape }] = body.inputs;
    if (given.includes(13)) process.exit(9);
    answer({ outputs: [{ name: 'y', datatype: 'FP32', shape, data: given.map((x) => 2 * x) }] });
  });
}).listen(/^\\d+$/.test(at) ? { port: Number(at), host: '127.0.0.1' } : at);
`;

const commandOf = (at: string, say = ''): readonly string[] => [process.execPath, '-e', SERVER, at, say];
const declare = (more: object): string =>
  JSON.stringify({ runtime: 'process', protocol: 'oip', timeoutMs: 20_000, ...more });

/** Waits until `check` holds, asking in every turn of the event loop. */
async function until(check: () => Promise<boolean>): Promise<void> {
  for (const limit = performance.now() + 60_000; performance.now() < limit; await setImmediate()) {
    if (await check()) return;
  }
  assert.fail('it never came to hold');
}

/** Processes that work in a private folder of a model, wherever they are. */
async function modelProcesses(mark: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
      const cwd = await readlink(join('/proc', pid, 'cwd')).catch(() => '');
      return command.includes(mark) && cwd.includes('kedge-model-') ? pid : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

test('of a log, the end is kept, whatever its size', () => {
  const tail = new LogTail(20);
  for (let i = 0; i < 100; i++) tail.add(Buffer.from(`line ${i}\nand`));
  assert.equal(tail.end(100), 'andline 98\nandline 99\nand'.slice(-tail.end(100).length));
  assert.ok(tail.end(100).length <= 24);
  assert.deepEqual(tail.add(Buffer.from(' more\nx')), ['and more']);
  assert.equal(tail.end(3), 're\nx'.slice(-3));
});

describe('models that processes run', {
  skip: process.platform !== 'linux' && 'processes are looked at in /proc',
}, () => {
  let harness: GatewayHarness;
  const open = (more: Partial<HarnessOptions>) =>
    openGateway({ executor, modelProcesses: 'any', table: async () => NO_ENDPOINTS, ...more });
  before(async () => {
    const signature: TestModel['signature'] = { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' };
    const put = (declaration: string): TestModel => ({ bytes: new TextEncoder().encode(declaration), signature });
    harness = await open({
      limits: { modelMemoryBytesMax: 3 * 1024 ** 3 },
      repository: {
        'port/1/model.json': declare({ command: commandOf('{port}') }),
        'socket/1/model.json': declare({ command: commandOf('{socket}') }),
        'never/1/model.json': declare({ command: commandOf('{port}', 'giving-up') }),
        'missing/1/model.json': declare({ command: ['/no/such/program', '{port}'] }),
        'both/1/model.json': declare({ command: ['x', '{port}', '{socket}'] }),
        'mute/1/model.json': declare({ command: ['sleep', '600', '{port}'], startTimeoutMs: 300 }),
      },
      table: async (store) => ({
        version: 1,
        endpoints: {
          e: endpointOf(
            'e',
            await store(put(declare({ protocol: 'invocations', command: commandOf('{port}', 'invoked') })), 'e', 1),
          ),
        },
      }),
    });
  });
  after(() => harness.close());

  const infer = (model: string, x: number) =>
    harness.post(`/v2/models/${model}/infer`, { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [x] }] });

  test("are asked at a port or at a socket, and speak the Open Inference Protocol or MLflow's", async () => {
    assert.deepEqual((await infer('port', 4)).body.outputs[0]?.data, [8]);
    assert.deepEqual((await infer('socket', 5)).body.outputs[0]?.data, [10]);
    const answer = await harness.post('/v1/endpoints/e/predict', { inputs: { x: 3 } });
    assert.deepEqual([answer.body.output.value, answer.body.revision], [6, 'e@1']);
  });

  test('that end are started again, with their last words in the refusals meanwhile', async () => {
    assert.notEqual((await harness.post('/v1/endpoints/e/predict', { inputs: { x: 13 } })).status, 200);
    const words = new Set<string>();
    await until(async () => {
      const { status, body } = await harness.post('/v1/endpoints/e/predict', { inputs: { x: 7 } });
      if (status === 200) return body.output.value === 14;
      words.add(body.detail);
      return false;
    });
    assert.ok(
      [...words].some((text) => /ended with code 9; its last words: invoked/.test(text)),
      [...words].join('\n'),
    );
  });

  test('that cannot be started are refused with the reason, and leave nothing', async () => {
    for (const [model, words] of [
      ['never', /ended with code 3; its last words: giving-up/],
      ['missing', /no\/such\/program: .*ENOENT/],
      ['both', /model\.json: command: expected either \{port\} or \{socket\}/],
      ['mute', /not ready within 300 ms/],
    ] as const) {
      const { status, body } = await infer(model, 1);
      assert.equal(status, 503);
      assert.match(String(body.error), words);
    }
    await until(async () => (await modelProcesses('giving-up')).length === 0);
  });

  test('leave with everything they started when their memory is needed, and when the gateway closes', async () => {
    const mark = 'marked-for-leaving';
    const small = await open({
      limits: { modelMemoryBytesMax: 1.5 * 1024 ** 3 },
      repository: {
        'a/1/model.json': declare({ command: commandOf('{port}', `${mark}-a`) }),
        'b/1/model.json': declare({ command: commandOf('{port}', `${mark}-b`) }),
      },
    });
    const ask = (model: string) =>
      small.post(`/v2/models/${model}/infer`, { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });
    assert.equal((await ask('a')).status, 200);
    assert.ok((await modelProcesses(`${mark}-a`)).length > 0);
    assert.equal((await ask('b')).status, 200);
    await until(async () => (await modelProcesses(`${mark}-a`)).length === 0);
    assert.ok((await modelProcesses(`${mark}-b`)).length > 0);
    await small.close();
    assert.deepEqual(await modelProcesses(mark), []);
  });

  test('are not started unless the gateway says so', async (t) => {
    const files = { 'm/1/model.json': declare({ command: commandOf('{port}') }) };
    const off = await open({ modelProcesses: 'off', repository: files });
    t.after(() => off.close());
    const { status, body } = await off.post('/v2/models/m/infer', { inputs: [] });
    assert.equal(status, 503);
    assert.match(String(body.error), /KEDGE_MODEL_PROCESSES is off/);
  });
});
