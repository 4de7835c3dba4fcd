import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { ObjectLock } from './location.ts';

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

const DAY_MS = 86_400_000;

/**
 * Locks the present version of an object for the days that were asked for, from now, unless it is locked for as long
 * already: a lock can be made longer, and a shorter one is refused.
 */
export async function lockObject(client: S3Client, at: Place, { mode, days }: ObjectLock): Promise<void> {
  const { VersionId, ObjectLockRetainUntilDate: held } = await client.send(new HeadObjectCommand(at));
  const until = new Date(Date.now() + days * DAY_MS);
  // An answer to the second, and a day less: what is locked once is not locked again each time it is looked at.
  if (held && held.getTime() > until.getTime() - DAY_MS) return;
  const Retention = { Mode: mode, RetainUntilDate: until };
  await client.send(new PutObjectRetentionCommand({ ...at, VersionId, Retention }));
}

/**
 * Removes every version of an object, as a bucket that locks keeps them all. Tells whether nothing is left of it: what
 * is locked stays, and is what is read from then on, without what was written or deleted over it. The server is asked
 * to remove and may refuse, because not every server tells of the lock of a version that is not the newest.
 */
export async function removeVersions(client: S3Client, at: Place): Promise<boolean> {
  let isAllGone = true;
  for (const VersionId of await versionsOf(client, at)) {
    try {
      await client.send(new DeleteObjectCommand({ ...at, VersionId }));
    } catch (error) {
      if ((error as Error).name !== 'AccessDenied') throw error;
      isAllGone = false;
    }
  }
  return isAllGone;
}

/** The newest first. */
async function versionsOf(client: S3Client, { Bucket, Key }: Place): Promise<string[]> {
  const found: string[] = [];
  for (let from: Partial<Markers> | undefined = {}; from; ) {
    const page = await versionsPage(client, { Bucket, Prefix: Key, ...from });
    for (const one of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
      if (one.Key === Key && one.VersionId !== undefined) found.push(one.VersionId);
    }
    from = page.next;
  }
  return found;
}

interface Markers {
  readonly KeyMarker: string;
  readonly VersionIdMarker: string;
}

async function versionsPage(
  client: S3Client,
  asked: Partial<Markers> & { readonly Bucket: string; readonly Prefix: string },
) {
  const page = await client.send(new ListObjectVersionsCommand(asked));
  const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
  const next: Markers | undefined = KeyMarker && VersionIdMarker ? { KeyMarker, VersionIdMarker } : undefined;
  return { ...page, next: page.IsTruncated ? next : undefined };
}
