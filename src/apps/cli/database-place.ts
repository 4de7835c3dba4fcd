import { join, resolve } from 'node:path';
import type { Config } from '#platform/config';

/** Where the configuration puts the tables: a file, or a PostgreSQL, in words that hold no password. */
export function databasePlace(config: Config): { readonly words: string; readonly file: string | undefined } {
  if (config.database) {
    return { words: `PostgreSQL at ${URL.parse(config.database)?.host || 'the given address'}`, file: undefined };
  }
  const file = join(resolve(config.dataDir), 'kedge.sqlite');
  return { words: file, file };
}
