import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { openFsBlobStore } from '#adapters/blob/fs';

/** http://<access key>:<secret key>@host:port of a server that may be filled. What is locked stays until it stops. */
export const SERVER = process.env['KEDGE_TEST_S3'] ? new URL(process.env['KEDGE_TEST_S3']) : undefined;
export const skip = SERVER ? false : 'KEDGE_TEST_S3 names no S3 server (tools/ci/s3.sh starts one)';
export const endpoint = SERVER?.origin ?? '';
export const credentials = { accessKeyId: SERVER?.username ?? '', secretAccessKey: SERVER?.password ?? '' };

/** A new bucket, a client of the server and a folder for the copies that a store keeps. */
export async function makeBucket({ locks = false } = {}) {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  const bucket = `kedge-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: locks }));
  const root = await mkdtemp(join(tmpdir(), 'kedge-s3-'));
  const cache = await openFsBlobStore({ root });
  const close = async (): Promise<void> => {
    client.destroy();
    await rm(root, { recursive: true });
  };
  return { client, bucket, cache, close };
}
