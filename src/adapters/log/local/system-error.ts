import { logErrors } from '#ports/event-log';

/** The code of a system error (`ENOENT`), if `thrown` is one. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/** `log/no-space` for a full disk; anything else as it is. */
export function translateFull(thrown: unknown, path: string): unknown {
  const full = errorCode(thrown) === 'ENOSPC' || errorCode(thrown) === 'EDQUOT';
  return full ? logErrors['no-space'](`the disk of the log '${path}' is full; nothing was appended`) : thrown;
}
