import { defineErrors } from '#core/errors';

export const s3Errors = defineErrors('s3', {
  'invalid-location': { status: 400, title: 'Not a location in S3' },
  unusable: { status: 400, title: 'The bucket cannot be used' },
});

/** Where content lies: a bucket, what every key begins with, and which server it is. */
export interface S3Location {
  readonly bucket: string;
  /** Empty, or names joined by `/` with a `/` at the end. */
  readonly prefix: string;
  /** The server's address; without one it is Amazon's of the region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** How content that is to be kept is locked; undefined where the bucket locks nothing for Kedge. */
  readonly lock: ObjectLock | undefined;
}

/** For how long, and against whom: `GOVERNANCE` lets those go who may bypass it, `COMPLIANCE` lets nobody. */
export interface ObjectLock {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly days: number;
}

const LOCK_DAYS_MAX = 36_500;

/**
 * Reads `s3://<bucket>[/<prefix>][?endpoint=<url>&region=<name>&lock=compliance:<days>]`. Credentials are not part of
 * it: they come from where every S3 client looks (`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, shared files, the
 * machine's role).
 * Errors: `s3/invalid-location`.
 */
export function s3Location(text: string): S3Location {
  const refuse = (why: string) =>
    s3Errors['invalid-location'](`'${withoutSecrets(text)}': ${why}; expected s3://bucket/prefix?endpoint=https://…`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 's3:') throw refuse('it does not begin with s3://');
  if (url.username !== '' || url.password !== '') throw refuse('credentials do not belong here');
  const bucket = url.hostname;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw refuse('a bucket has 3 to 63 of a-z, 0-9, . and -');
  const names = url.pathname.split('/').filter((name) => name !== '');
  if (names.some((name) => !/^[\w.-]{1,100}$/.test(name) || /^\.+$/.test(name)) || names.length > 8) {
    throw refuse('a prefix is up to 8 names of letters, digits, _, . and -');
  }
  for (const key of url.searchParams.keys()) {
    if (!['endpoint', 'region', 'lock'].includes(key)) throw refuse(`'${key}' is neither endpoint, region nor lock`);
  }
  const endpoint = url.searchParams.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/[^/@?#]+\/?$/.test(endpoint))
    throw refuse('endpoint is not http(s)://host');
  const lock = url.searchParams.get('lock') ?? undefined;
  const [, mode, days] = /^(governance|compliance):([1-9]\d{0,5})$/.exec(lock ?? '') ?? [];
  if (lock !== undefined && (mode === undefined || Number(days) > LOCK_DAYS_MAX)) {
    throw refuse(`lock is governance:<days> or compliance:<days>, up to ${LOCK_DAYS_MAX} days`);
  }
  return {
    bucket,
    prefix: names.map((name) => `${name}/`).join(''),
    endpoint,
    region: url.searchParams.get('region') ?? 'us-east-1',
    lock: mode === undefined ? undefined : { mode: mode.toUpperCase() as ObjectLock['mode'], days: Number(days) },
  };
}

function withoutSecrets(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//…@').slice(0, 200);
}
