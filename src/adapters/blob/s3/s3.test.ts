import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { openFsBlobStore } from '#adapters/blob/fs';
import { blobStoreConformance, gather } from '#conformance/blob-store';
import { digestOf } from '#core/hash';
import { blobErrors } from '#ports/blob-store';
import { openS3BlobStore, s3Errors, s3Location } from './index.ts';
import { credentials, endpoint, makeBucket, SERVER, skip } from './testing.ts';

async function openInBucket() {
  const { client, bucket, cache, close: closeBucket } = await makeBucket();
  const open = (prefix = 'some/folder', more: { at?: string; partsAboveBytes?: number } = {}) => {
    const { at = endpoint, ...options } = more;
    return openS3BlobStore({ location: `s3://${bucket}/${prefix}?endpoint=${at}`, cache, credentials, ...options });
  };
  const store = await open();
  async function close(): Promise<void> {
    store.close();
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    const Objects = Contents.map(({ Key }) => ({ Key }));
    if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    await closeBucket();
  }
  return { client, bucket, store, cache, open, close };
}

/** Passes everything on to the server, but cuts the first `breaks` connections that send more than `afterBytes`. */
async function openBreakingProxy(t: TestContext, plan: { readonly breaks: number; readonly afterBytes: number }) {
  let broken = 0;
  const proxy = createServer((near) => {
    const far = connect(Number(SERVER?.port), SERVER?.hostname);
    let bytes = 0;
    near.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes <= plan.afterBytes || broken === plan.breaks) return;
      broken += 1;
      near.destroy();
      far.destroy();
    });
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  t.after(() => proxy.close());
  return { endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, broken: () => broken };
}

if (SERVER) blobStoreConformance('s3', openInBucket);
else it('passes the conformance suite of blob stores', { skip });

describe('s3 blob store', { skip }, () => {
  async function opened(t: TestContext) {
    const around = await openInBucket();
    t.after(around.close);
    return around;
  }
  const large = Buffer.alloc(40 * 1024 * 1024, 'large content, sent in parts. ');

  it('sends large content in parts, reads ranges across them, and keeps it in one object', async (t) => {
    const { client, bucket, open } = await opened(t);
    const store = await open('some/folder', { partsAboveBytes: large.length - 1 });
    t.after(() => store.close());
    const { digest, bytes } = await store.put(inChunks(large));
    assert.deepEqual([digest, bytes], [digestOf(large), large.length]);
    const part = 5 * 1024 * 1024;
    const range = await gather(await store.get(digest, { start: part - 7, end: part + 9 }));
    assert.deepEqual(Buffer.concat(range), large.subarray(part - 7, part + 9));
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    const hex = digest.slice('sha256:'.length);
    assert.deepEqual(
      Contents.map(({ Key, Size, ETag }) => [Key, Size, /-8"?$/.test(ETag ?? '')]),
      [[`some/folder/${hex.slice(0, 2)}/${hex.slice(2)}`, large.length, true]],
    );
  });

  it('leaves nothing that can be read, and no parts, of an upload that breaks off', async (t) => {
    const { client, bucket, cache, open } = await opened(t);
    // Large content is gathered in the cache: one that gives it back damaged breaks the upload off in the middle.
    const store = await open('broken', { partsAboveBytes: large.length - 1 });
    t.after(() => store.close());
    cache.get = async () =>
      (async function* () {
        yield large.subarray(0, 33 * 1024 * 1024);
        throw new Error('the disk went away');
      })();
    await assert.rejects(store.put(inChunks(large)), /the disk went away/);
    assert.equal(await store.has(digestOf(large)), false);
    assert.deepEqual(await gather(store.list()), []);
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    assert.deepEqual(Uploads, []);
  });

  it('streams what is not large enough for parts, once more when the connection breaks', async (t) => {
    const { client, bucket, open } = await opened(t);
    const proxy = await openBreakingProxy(t, { breaks: 1, afterBytes: 3_000_000 });
    const store = await open('streamed', { at: proxy.endpoint });
    t.after(() => store.close());

    const { digest } = await store.put(inChunks(large));

    assert.equal(digest, digestOf(large));
    assert.equal(proxy.broken(), 1);
    const [read] = [await gather(await store.get(digest))];
    assert.equal(digestOf(Buffer.concat(read)), digest);
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    assert.deepEqual(
      Contents.map(({ Size, ETag }) => [Size, ETag?.includes('-')]),
      [[large.length, false]],
    );
  });

  it('has the server refuse a file that is not what was put', async (t) => {
    const { cache, store } = await opened(t);
    const localPath = cache.localPath.bind(cache);
    cache.localPath = async (digest, expected) => {
      const path = await localPath(digest, expected);
      await chmod(path, 0o600);
      await writeFile(path, Buffer.from(large).fill('x', 9, 10));
      return path;
    };
    await assert.rejects(store.put(inChunks(large)));
    assert.equal(await store.has(digestOf(large)), false);
  });

  it('finds damage when it reads, and replaces an object of the wrong length at the next put', async (t) => {
    const { client, bucket, store } = await opened(t);
    const content = Buffer.from('content of some length');
    const { digest } = await store.put(content);
    const hex = digest.slice('sha256:'.length);
    const Key = `some/folder/${hex.slice(0, 2)}/${hex.slice(2)}`;
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Buffer.from(content).fill('x', 3, 4) }));
    const corrupt = { code: blobErrors.corrupt.code };
    await assert.rejects(store.read(digest), corrupt);
    await assert.rejects(gather(await store.get(digest)), corrupt);
    await assert.rejects(store.localPath(digest), corrupt);
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'short' }));
    await store.put(content);
    assert.deepEqual(Buffer.from(await store.read(digest)), content);
  });

  it('sees neither what lies under another prefix nor what is not its own', async (t) => {
    const { client, bucket, store, open } = await opened(t);
    const other = await open('elsewhere');
    t.after(() => other.close());
    const { digest } = await other.put(Buffer.from('elsewhere'));
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'some/folder/ab/notes.txt', Body: 'x' }));
    assert.equal(await store.has(digest), false);
    assert.deepEqual(await gather(store.list()), []);
  });

  it('says at once that a bucket is not there or does not open', async (t) => {
    const { cache, bucket } = await opened(t);
    const absent = `s3://kedge-absent-${randomUUID().slice(0, 8)}?endpoint=${endpoint}`;
    const unusable = (text: RegExp) => ({ code: s3Errors.unusable.code, message: text });
    await assert.rejects(openS3BlobStore({ location: absent, cache, credentials }), unusable(/no such bucket/));
    const wrong = { ...credentials, secretAccessKey: 'wrong' };
    const location = `s3://${bucket}?endpoint=${endpoint}`;
    await assert.rejects(openS3BlobStore({ location, cache, credentials: wrong }), unusable(/denied/));
  });
});

describe('s3 blob store without its server', () => {
  it('still gives the local copies of content, and fails what needs the server', async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'kedge-s3-'));
    t.after(() => rm(root, { recursive: true }));
    const cache = await openFsBlobStore({ root });
    const { digest, bytes } = await cache.put(Buffer.from('a model'));
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as { port: number };
    await new Promise((resolve) => gone.close(resolve));
    const store = await openS3BlobStore({
      location: `s3://some-bucket?endpoint=http://127.0.0.1:${port}`,
      cache,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    t.after(() => store.close());
    assert.equal(await store.localPath(digest, { bytes }), await cache.localPath(digest));
    await assert.rejects(store.size(digest), { code: 'ECONNREFUSED' });
  });
});

describe('a location in S3', () => {
  it('is a bucket with an optional prefix, endpoint and region', () => {
    assert.deepEqual(s3Location('s3://models/a/b?endpoint=http://127.0.0.1:7070&region=eu-central-1'), {
      bucket: 'models',
      prefix: 'a/b/',
      endpoint: 'http://127.0.0.1:7070',
      region: 'eu-central-1',
      lock: undefined,
    });
    assert.deepEqual(s3Location('s3://models'), {
      bucket: 'models',
      prefix: '',
      endpoint: undefined,
      region: 'us-east-1',
      lock: undefined,
    });
  });

  it('is refused with what is wrong, and without repeating credentials', () => {
    const wrong: [string, RegExp][] = [
      ['models', /does not begin with s3/],
      ['s3://key:hunter2@models', /^(?!.*hunter2).*credentials do not belong here/],
      ['s3://UP', /a bucket has/],
      ['s3://models/a b', /a prefix is/],
      ['s3://models?endpoint=ftp://x', /endpoint/],
      ['s3://models?acl=public', /'acl'/],
    ];
    for (const [text, message] of wrong) {
      assert.throws(() => s3Location(text), { code: s3Errors['invalid-location'].code, message });
    }
  });
});

async function* inChunks(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < content.length; i += 1_000_000) yield content.subarray(i, i + 1_000_000);
}
