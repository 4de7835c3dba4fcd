import { blobErrors } from '#ports/blob-store';

/** Whether the server said that there is no such object. */
export function isAbsent(error: unknown): boolean {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  return name !== 'NoSuchBucket' && $metadata?.httpStatusCode === 404;
}

/** The result of a request that writes; a refusal that the port has a name for fails under that name. */
export async function translated<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    if (name === 'EntityTooLarge') throw blobErrors['too-large'](`the server refused the content: ${message}`);
    const isFull = name === 'QuotaExceeded' || name === 'XMinioStorageFull' || $metadata?.httpStatusCode === 507;
    throw isFull ? blobErrors['no-space'](`the server has no room for the content: ${message}`) : error;
  }
}
