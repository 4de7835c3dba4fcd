import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLocalLog } from '#adapters/log/local';
import { realSystem } from '#core/system';
import { createLogger, createMetrics } from '#platform/observe';
import { startGateway } from '#serving';
import { twice } from '#testing/doubling-model';
import { kedge, serveControlPlane } from '../testing.ts';

type Served = Awaited<ReturnType<typeof startGateway>>;

let control: Awaited<ReturnType<typeof serveControlPlane>>;
const closing: (() => Promise<unknown>)[] = [];

before(async () => {
  control = await serveControlPlane();
  const file = join(control.folder, 'models', 'twice', '1', 'model.onnx');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, twice());
});

after(async () => {
  for (const close of closing) await close();
  await control.plane.stop();
  await rm(control.folder, { recursive: true, maxRetries: 5 });
});

async function serve(name: string, mayControl: boolean): Promise<Served> {
  const folder = join(control.folder, name);
  const log = await openLocalLog({ folder: join(folder, 'log') });
  const gateway = await startGateway({
    ...{ host: '127.0.0.1', port: 0, grpcPort: null },
    controlPlane: { url: control.url, token: control.token },
    routingFile: join(folder, 'routing.json'),
    blobs: await openFsBlobStore({ root: join(folder, 'blobs') }),
    ...{ log, system: realSystem(), logger: createLogger('test', 'fatal'), metrics: createMetrics('test') },
    repository: { folder: join(control.folder, 'models'), control: mayControl },
  });
  closing.push(async () => {
    await gateway.close();
    await log.close();
  });
  return gateway;
}

test('models of a folder are loaded into a gateway, listed with their memory, and unloaded', async () => {
  const { url } = await serve('open', true);
  const asked = (...args: readonly string[]) => kedge(['models', ...args, '--gateway', url]);

  assert.deepEqual(JSON.parse((await asked('loaded', '--json')).stdout), []);
  const [known] = JSON.parse((await asked('loaded', '--all', '--json')).stdout);
  assert.deepEqual(known, {
    name: 'twice',
    version: '1',
    state: 'READY',
    reason: '',
    memory_bytes: null,
    pinned: false,
  });
  assert.equal((await asked('load', 'twice')).stdout, `twice is loaded at ${url}\n`);
  const loaded = await asked('loaded');
  assert.match(loaded.stdout, /^MODEL +VERSION +STATE +MEMORY +STAYS +REASON\ntwice +1 +READY +1(\.\d+)? MiB\n$/);
  assert.equal((await asked('unload', 'twice')).stdout, `twice is unloaded at ${url}\n`);
  const all = await asked('loaded', '--all');
  assert.match(all.stdout, /^twice +1 +UNAVAILABLE +- +unloaded$/m);
});

test('what a gateway refuses says what to do, and what is none is told to be none', async () => {
  const { url } = await serve('closed', false);
  const refusal = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await kedge(['models', ...args]);
    assert.equal(code, 1, stderr);
    assert.doesNotMatch(stderr, /\n\s+at /, stderr);
    return stderr;
  };

  assert.match(await refusal('load', 'twice', '--gateway', url), /KEDGE_MODEL_CONTROL=true: set it for the gateway at/);
  assert.match(await refusal('unload', 'twice', '--gateway', url), /KEDGE_MODEL_CONTROL=true/);
  assert.match(await refusal('loaded', '--gateway', control.url), /not as a gateway does: give --gateway/);
  assert.match(await refusal('loaded', '--gateway', 'ftp://x'), /expected http:\/\/… or https:\/\/…/);
  assert.match(await refusal('loaded', '--gateway', 'http://127.0.0.1:1'), /does not answer \(.+\): start a gateway/);
});
