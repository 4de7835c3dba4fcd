import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { generateNoteKey, type NoteSigner, noteSigner } from './tlog/note.ts';

/** The name of the key's file in a data directory. */
export const LOG_KEY_FILE = 'audit.key';

/**
 * The key that signs the log of this installation, made at the first call. The file is Go's form of a private note key,
 * readable only by its owner. Its name is the origin of the log. To choose another name, put a key of that name there
 * before the first start. Errors: `audit/key`.
 */
export function openLogKey(path: string): NoteSigner {
  if (!existsSync(path)) {
    try {
      writeFileSync(path, `${generateNoteKey(`kedge-${randomBytes(6).toString('hex')}/audit`)}\n`, {
        mode: 0o600,
        flag: 'wx',
      });
    } catch (error) {
      // Another process made the file in the meantime; its key is the one that counts.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return noteSigner(readFileSync(path, 'utf8').trim());
}
