import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createFile } from '#core/create-file';
import { generateNoteKey, type NoteSigner, noteSigner } from './tlog/note.ts';

/** The name of the key's file in a data directory. */
export const LOG_KEY_FILE = 'audit.key';

/**
 * The key that signs the log of this installation, made at the first call. The file is Go's form of a private note key,
 * readable only by its owner. Its name is the origin of the log. To choose another name, put a key of that name there
 * before the first start. Errors: `audit/key`.
 */
export function openLogKey(path: string): NoteSigner {
  // Another process may make the file in the meantime; then its key is the one that counts.
  if (!existsSync(path)) createFile(path, `${generateNoteKey(`kedge-${randomBytes(6).toString('hex')}/audit`)}\n`);
  return noteSigner(readFileSync(path, 'utf8').trim());
}
