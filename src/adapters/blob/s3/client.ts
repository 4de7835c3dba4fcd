import {
  AbortMultipartUploadCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { KedgeError, messageOf } from '#core/errors';
import { type S3Location, s3Errors } from './location.ts';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Of silence on a connection. */
const SOCKET_TIMEOUT_MS = 60_000;
const ATTEMPTS_MAX = 4;
/** An upload in parts that was begun this long ago is over, whatever became of its process. */
const ABANDONED_MS = 24 * 3_600_000;

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export function openClient({ endpoint, region }: S3Location, credentials?: Credentials): S3Client {
  return new S3Client({
    region,
    maxAttempts: ATTEMPTS_MAX,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
    // Content is checked against its digest; another checksum of what is read would be computed for nothing.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // What fails is thrown to who asked; without a logger the client would print some of it as well.
    logger: SILENT,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
  });
}

/** Throws `s3/unusable` if the server says that the bucket cannot be used. No answer says nothing. */
export async function requireBucket(client: S3Client, { bucket, endpoint }: S3Location): Promise<void> {
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || status >= 500) return;
    const why = status === 404 ? 'there is no such bucket' : status === 403 ? 'access is denied' : messageOf(error);
    throw s3Errors.unusable(`bucket '${bucket}' at ${endpoint ?? 'Amazon S3'}: ${why}`);
  }
}

/**
 * Throws `s3/unusable` if content is to be locked and the bucket locks none, which it has to be made for. No answer
 * says nothing.
 */
export async function requireLock(client: S3Client, { bucket, endpoint, lock }: S3Location): Promise<void> {
  if (!lock) return;
  const refuse = (why: string) =>
    s3Errors.unusable(
      `bucket '${bucket}' at ${endpoint ?? 'Amazon S3'} cannot lock content: ${why}. Make a bucket with object lock, ` +
        `or leave lock=${lock.mode.toLowerCase()}:${lock.days} out`,
    );
  try {
    const { ObjectLockConfiguration } = await client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }));
    if (ObjectLockConfiguration?.ObjectLockEnabled !== 'Enabled') throw refuse('it has no object lock');
  } catch (error) {
    if (error instanceof KedgeError) throw error;
    const status = statusOf(error);
    if (status === undefined || (status >= 500 && status !== 501)) return;
    throw refuse(status === 404 ? 'it has no object lock' : messageOf(error));
  }
}

/** Ends uploads in parts that nobody goes on with, so that their parts take no room. They could never be read. */
export async function abortAbandoned(client: S3Client, { bucket: Bucket, prefix: Prefix }: S3Location): Promise<void> {
  try {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix }));
    for (const { Key, UploadId, Initiated } of Uploads) {
      if (Date.now() - (Initiated?.getTime() ?? Date.now()) < ABANDONED_MS) continue;
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    }
  } catch {
    // Not every server lists uploads, and not every credential may: a rule of the bucket can do this as well.
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}
