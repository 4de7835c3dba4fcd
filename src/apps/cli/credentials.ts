import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCode, messageOf } from '#core/errors';
import { UsageError } from './failure.ts';

const savedSchema = z.record(z.string(), z.object({ user: z.string(), id: z.string(), key: z.string() }));

/** A key that `kedge login` made, by the address of the control plane that it is for. */
export type SavedKey = z.output<typeof savedSchema>[string];

export function savedKey(url: string): SavedKey | undefined {
  return readAll()[url];
}

/** Keeps a key for later commands, readable by nobody else; without one, forgets the one that was kept. */
export function saveKey(url: string, key: SavedKey | undefined): void {
  const { [url]: _, ...others } = readAll();
  const path = pathOf();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, `${JSON.stringify(key ? { ...others, [url]: key } : others, null, 2)}\n`, { mode: 0o600 });
}

function readAll(): Readonly<Record<string, SavedKey>> {
  const path = pathOf();
  try {
    return savedSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return {};
    throw new UsageError(`${path} cannot be used: ${messageOf(error)}. Remove it and sign in again with kedge login`);
  }
}

function pathOf(): string {
  return join(homedir(), '.config', 'kedge', 'credentials.json');
}
