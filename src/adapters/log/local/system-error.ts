import { errorCode } from '#core/errors';
import { logErrors } from '#ports/event-log';

/** `log/no-space` for a full disk; anything else as it is. */
export function translateFull(thrown: unknown, path: string): unknown {
  const full = errorCode(thrown) === 'ENOSPC' || errorCode(thrown) === 'EDQUOT';
  return full ? logErrors['no-space'](`the disk of the log '${path}' is full; nothing was appended`) : thrown;
}
