import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { gather } from '#conformance/blob-store';
import { digestOf } from '#core/hash';
import { openS3BlobStore, s3Errors, s3Location } from './index.ts';
import { credentials, endpoint, makeBucket, skip } from './testing.ts';

const YEAR_MS = 365 * 86_400_000;

async function openInBucket(lock = 'governance:365', { locks = true } = {}) {
  const { client, bucket, cache, close } = await makeBucket({ locks });
  const location = `s3://${bucket}/models?endpoint=${endpoint}${lock === '' ? '' : `&lock=${lock}`}`;
  try {
    const store = await openS3BlobStore({ location, cache, credentials });
    const closeAll = async (): Promise<void> => {
      store.close();
      await close();
    };
    return { client, bucket, store, close: closeAll };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(t: TestContext, lock?: string) {
  const opened = await openInBucket(lock);
  t.after(opened.close);
  const at = (digest: string) => ({
    Bucket: opened.bucket,
    Key: `models/${digest.slice(7, 9)}/${digest.slice(9)}`,
  });
  return { ...opened, at };
}

describe('a bucket that locks content', { skip }, () => {
  it('has what is retained removed by nobody, not even with the credentials of the store', async (t) => {
    const { client, store, at } = await open(t, 'compliance:365');
    const { digest } = await store.put(Buffer.from('a registered model'));
    assert.equal(await store.retain?.(digest), true);
    const before = Date.now();

    const head = await client.send(new HeadObjectCommand(at(digest)));
    assert.equal(head.ObjectLockMode, 'COMPLIANCE');
    const until = head.ObjectLockRetainUntilDate?.getTime() ?? 0;
    assert.ok(Math.abs(until - before - YEAR_MS) < 86_400_000, String(head.ObjectLockRetainUntilDate));
    const own = { ...at(digest), VersionId: head.VersionId, BypassGovernanceRetention: true };
    await assert.rejects(client.send(new DeleteObjectCommand(own)), { name: 'AccessDenied' });
    assert.equal(await store.delete(digest), false);
    assert.equal((await gather(await store.get(digest))).toString(), 'a registered model');
  });

  it('keeps a locked version under whatever is written over it', async (t) => {
    const { client, store, at } = await open(t);
    const { digest } = await store.put(Buffer.from('what was registered'));
    await store.retain?.(digest);
    const { VersionId } = await client.send(new HeadObjectCommand(at(digest)));
    await client.send(new PutObjectCommand({ ...at(digest), Body: 'something else' }));

    assert.equal(await store.delete(digest), false);
    const kept = await client.send(new HeadObjectCommand(at(digest)));
    assert.equal(kept.VersionId, VersionId, 'what was written over it is gone');
    assert.equal((await gather(await store.get(digest))).toString(), 'what was registered');
  });

  it('is not asked twice, and leaves nothing of what is not retained and deleted', async (t) => {
    const { client, bucket, store, at } = await open(t);
    const content = Buffer.from('of a run');
    const { digest } = await store.put(content);
    await store.retain?.(digest);
    const first = await client.send(new HeadObjectCommand(at(digest)));
    await store.retain?.(digest);
    await store.put(content);
    const second = await client.send(new HeadObjectCommand(at(digest)));
    assert.deepEqual(
      [second.VersionId, second.ObjectLockRetainUntilDate],
      [first.VersionId, first.ObjectLockRetainUntilDate],
    );

    const free = await store.put(Buffer.from('of nobody'));
    assert.equal(await store.delete(free.digest), true);
    assert.equal(await store.has(free.digest), false);
    const left = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: at(free.digest).Key }));
    assert.deepEqual([left.Versions ?? [], left.DeleteMarkers ?? []], [[], []]);
    await store.put(Buffer.from('of nobody'));
    assert.equal((await gather(await store.get(free.digest))).toString(), 'of nobody');
  });

  it('is made for it: another bucket is refused when it is opened, and locks nothing when not told to', async (t) => {
    await assert.rejects(openInBucket('compliance:30', { locks: false }), (error: Error & { code?: string }) => {
      assert.equal(error.code, s3Errors.unusable.code);
      assert.match(error.message, /cannot lock content: it has no object lock.*or leave lock=compliance:30 out/);
      return true;
    });
    const { store, close } = await openInBucket('', { locks: false });
    t.after(close);
    assert.equal(store.retain, undefined);
    await assert.rejects((await open(t)).store.retain?.(digestOf('nothing')) ?? Promise.resolve(), {
      code: 'blob/not-found',
    });
  });
});

describe('the lock in a location', () => {
  it('is a mode and a number of days', () => {
    assert.deepEqual(s3Location('s3://bucket?lock=compliance:3650').lock, { mode: 'COMPLIANCE', days: 3_650 });
    assert.equal(s3Location('s3://bucket').lock, undefined);
    for (const lock of ['compliance', 'legal:30', 'governance:0', 'governance:36501', 'governance:1.5', '']) {
      assert.throws(
        () => s3Location(`s3://bucket?lock=${lock}`),
        /lock is governance:<days> or compliance:<days>/,
        lock,
      );
    }
  });
});
