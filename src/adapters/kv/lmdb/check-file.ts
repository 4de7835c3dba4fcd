import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { errorCode } from '#core/errors';
import { keyValueErrors } from '#ports/key-value';

/*
 * LMDB maps the file into memory and follows the page numbers in it, and lmdb-js ends the whole process with a
 * segmentation fault when the file is not sound. So the file is looked at before LMDB gets it: the two meta pages, the
 * roots of the newest tree, and, where the file is shorter than its meta page says, everything, in a process of its
 * own. Offsets are those of data format 2 on 64-bit little-endian machines (`MDB_page`, `MDB_meta` in mdb.c).
 */
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_BYTES = 0xa0;
const PAGE_META = 0x08;
const PAGE_BRANCH_OR_LEAF = 0x03;
const NO_PAGE = 2n ** 64n - 1n;
const PAGE_BYTES_MIN = 256;
const PAGE_BYTES_MAX = 65_536;

interface Meta {
  readonly pageBytes: number;
  readonly roots: readonly bigint[];
  readonly lastPage: bigint;
  readonly transaction: bigint;
}

/** Throws `kv/corrupt` if the LMDB file would bring the process down. Tells whether there is a file with content. */
export async function checkFile(path: string): Promise<'absent' | 'sound'> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (!file) return 'absent';
  try {
    const fileBytes = (await file.stat()).size;
    if (fileBytes === 0) return 'absent';
    // A writer that is at work may reuse pages of the snapshot that is looked at; then there is a newer snapshot.
    for (;;) {
      const meta = await newestMeta(path, file);
      const damage = await damageOf(path, file, meta);
      if (damage === undefined) return 'sound';
      if ((await newestMeta(path, file)).transaction === meta.transaction) throw corrupt(path, damage);
    }
  } finally {
    await file.close();
  }
}

async function newestMeta(path: string, file: FileHandle): Promise<Meta> {
  const first = await readMeta(path, file, 0);
  const second = await readMeta(path, file, first.pageBytes);
  return second.transaction > first.transaction ? second : first;
}

async function readMeta(path: string, file: FileHandle, position: number): Promise<Meta> {
  const page = await readAt(file, position, META_BYTES);
  if (page.length < META_BYTES) throw corrupt(path, 'it is shorter than its two meta pages');
  const marked = page.readUInt32LE(0x18) === MAGIC && (page.readUInt16LE(0x12) & PAGE_META) !== 0;
  if (!marked) throw corrupt(path, `there is no LMDB meta page at byte ${position}`);
  const version = page.readUInt32LE(0x1c);
  if (version !== DATA_VERSION) throw corrupt(path, `it has LMDB data format ${version} instead of ${DATA_VERSION}`);
  const pageBytes = page.readUInt32LE(0x30);
  if (pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX || (pageBytes & (pageBytes - 1)) !== 0) {
    throw corrupt(path, `its meta page at byte ${position} names pages of ${pageBytes} bytes`);
  }
  return {
    pageBytes,
    roots: [page.readBigUInt64LE(0x58), page.readBigUInt64LE(0x88)],
    lastPage: page.readBigUInt64LE(0x90),
    transaction: page.readBigUInt64LE(0x98),
  };
}

async function damageOf(path: string, file: FileHandle, meta: Meta): Promise<string | undefined> {
  for (const root of meta.roots) {
    if (root === NO_PAGE) continue;
    if (root > meta.lastPage) return `its tree begins at page ${root}, but page ${meta.lastPage} is the last`;
    const header = await readAt(file, Number(root) * meta.pageBytes, 0x18);
    if (header.length < 0x18) return `it ends before page ${root}, where a tree begins`;
    const isRoot = header.readBigUInt64LE(0) === root && (header.readUInt16LE(0x12) & PAGE_BRANCH_OR_LEAF) !== 0;
    if (!isRoot) return `page ${root}, where a tree begins, is not a page of a tree`;
  }
  const bytesFull = (Number(meta.lastPage) + 1) * meta.pageBytes;
  const bytesThere = (await file.stat()).size;
  if (bytesThere >= bytesFull) return undefined;
  // Pages at the end that were given back before they were written may be missing, so only a full scan can tell.
  const readable = await scanInChild(path);
  return readable ? undefined : `it has ${bytesThere} bytes, but its newest tree needs up to ${bytesFull}`;
}

/** Reads every entry in another process, which is killed by the kernel if it touches what is not there. */
async function scanInChild(path: string): Promise<boolean> {
  const program = fileURLToPath(new URL('./scan.ts', import.meta.url));
  const child = spawn(process.execPath, [program, path], { stdio: 'ignore', env: {} });
  const [code] = await once(child, 'exit');
  return code === 0;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function corrupt(path: string, damage: string): Error {
  const remedy = 'move it and its -lock file away, then let the features be materialized again or restore a copy';
  return keyValueErrors.corrupt(`the key-value store '${path}' is damaged: ${damage}; ${remedy}`);
}
