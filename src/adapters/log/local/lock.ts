import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type GiveBack, takeLockFile } from '#core/lock-file';
import { logErrors } from '#ports/event-log';

/**
 * Takes the lock file of a folder, or throws `log/locked` naming the process that holds it. The lock of a process that
 * no longer runs is taken over. The returned function gives the lock back.
 */
export function takeLock(folder: string): GiveBack {
  const path = join(realpathSync(folder), 'lock');
  const taken = takeLockFile(path);
  if (typeof taken === 'function') return taken;
  throw logErrors.locked(`process ${taken.pid} writes to this log (lock file '${path}'); a log has one writer`);
}
