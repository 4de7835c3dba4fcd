import { open } from 'lmdb';

/**
 * A program: reads every entry of the LMDB file that its argument names. It ends with code 0 if that can be done; if
 * the file refers to pages that are not there, the kernel kills it.
 */
const database = open<Buffer, Buffer>({
  path: process.argv[2] ?? '',
  noSubdir: true,
  readOnly: true,
  keyEncoding: 'binary',
  encoding: 'binary',
  overlappingSync: false,
});
// The iterator copies each value out of the map, which touches all of its pages.
for (const _ of database.getRange());
await database.close();
