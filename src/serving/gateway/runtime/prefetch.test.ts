import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openS3BlobStore } from '#adapters/blob/s3';
import { systemClock } from '#core/clock';
import { createLogger } from '#platform/observe';
import { logisticModel } from '../testing/models.ts';
import { ModelCache } from './model-cache.ts';
import { modelFile } from './model-runtime.ts';
import { Prefetch } from './prefetch.ts';

const SERVER = process.env['KEDGE_TEST_S3'] ? new URL(process.env['KEDGE_TEST_S3']) : undefined;
const skip = SERVER ? false : 'KEDGE_TEST_S3 names no S3 server (tools/ci/s3.sh starts one)';
const credentials = { accessKeyId: SERVER?.username ?? '', secretAccessKey: SERVER?.password ?? '' };
const logger = createLogger('test', 'silent');

/** The server by another address, until it is cut off. */
async function openWay(t: TestContext) {
  const sockets = new Set<Socket>();
  const way = createServer((near) => {
    const far = connect(Number(SERVER?.port), SERVER?.hostname);
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  const cut = async (): Promise<void> => {
    if (!way.listening) return;
    const closed = new Promise((resolve) => way.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  t.after(cut);
  return { endpoint: `http://127.0.0.1:${(way.address() as AddressInfo).port}`, cut };
}

test('models of a bucket that were fetched ahead are served when the bucket is gone', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-prefetch-'));
  t.after(() => rm(folder, { recursive: true }));
  const bucket = `kedge-${randomUUID()}`;
  const client = new S3Client({
    endpoint: SERVER?.origin ?? '',
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  });
  t.after(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const way = await openWay(t);
  const openOn = async (machine: string) => {
    const cache = await openFsBlobStore({ root: join(folder, machine) });
    const store = await openS3BlobStore({ location: `s3://${bucket}?endpoint=${way.endpoint}`, cache, credentials });
    t.after(() => store.close());
    return store;
  };
  const there = await openOn('where it was trained');
  const digests = await Promise.all([1, 2, 3].map(async (a) => (await there.put(logisticModel({ a }).bytes)).digest));
  const blobs = await openOn('gateway');
  const { signal } = new AbortController();

  await new Prefetch({ blobs, logger, signal }).want(digests.slice(0, 2));
  await way.cut();

  const cache = new ModelCache({ blobs, memoryBytesMax: 1e9, choice: 'inline', clock: systemClock, logger });
  t.after(() => cache.close());
  const files = digests.map((digest) =>
    modelFile(digest, { numeric: ['a'], categories: [] }, { output: 'probability' }),
  );
  const [first, second, third] = await Promise.allSettled(files.map((file) => cache.load(file)));
  assert.deepEqual([first?.status, second?.status, third?.status], ['fulfilled', 'fulfilled', 'rejected']);
  const scores = await cache.ready(files[1] as (typeof files)[number])?.infer({
    ...{ rows: 1, numeric: Float32Array.of(1), categories: [] },
  });
  assert.ok(Math.abs((scores?.[0] ?? 0) - 1 / (1 + Math.exp(-2))) < 1e-6);
});
