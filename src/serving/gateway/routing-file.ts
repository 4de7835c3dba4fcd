import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RoutingTable, routingTableSchema } from '../routing.ts';

/** The routing table of the last run; `undefined` when there is none. Throws when the file cannot be used. */
export async function readRoutingFile(path: string): Promise<RoutingTable | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return routingTableSchema.parse(JSON.parse(text));
}

/** Replaces the file as a whole, so that a crash leaves the old one or the new one. */
export async function writeRoutingFile(path: string, table: RoutingTable): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(JSON.stringify(table));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
