import { type RoutingTable, routingTableSchema } from '../routing.ts';
import { readKept, writeKept } from './kept-file.ts';

/** The routing table of the last run; `undefined` when there is none. Throws when the file cannot be used. */
export function readRoutingFile(path: string): Promise<RoutingTable | undefined> {
  return readKept(path, routingTableSchema);
}

export function writeRoutingFile(path: string, table: RoutingTable): Promise<void> {
  return writeKept(path, table);
}
