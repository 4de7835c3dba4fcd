import { readFileSync } from 'node:fs';
import { mkdir, opendir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { leafParts } from '../leaf.ts';
import { CHECKPOINT_PATH, KEY_PATH, type LogSource } from '../log-source.ts';
import { decodeBundle } from '../tlog/bundle.ts';
import { bundleOf, parseTilePath, TILE_WIDTH, type TileId, tileOf, tilePath } from '../tlog/tile.ts';

/** A log as files: what a web server of static files would serve as c2sp.org/tlog-tiles. */
export class LogDirectory implements LogSource {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      // Files are small and a verification has nothing else to do meanwhile: this is twice as fast as not to block.
      return readFileSync(join(this.#root, path));
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }

  /** Writes a resource as a whole: a reader sees what was there before, or all of it. */
  async write(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.#root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.part`, bytes);
    await rename(`${file}.part`, file);
  }

  async remove(path: string): Promise<void> {
    await rm(join(this.#root, path));
  }

  /** The files that are no part of the log of `size` entries: left over from a shorter one, or added by somebody. */
  async *strays(size: number): AsyncIterable<string> {
    for await (const path of filesIn(this.#root)) {
      const name = relative(this.#root, path).split(sep).join('/');
      if (!(await this.#belongs(name, size))) yield name;
    }
  }

  async #belongs(path: string, size: number): Promise<boolean> {
    if (path === CHECKPOINT_PATH || path === KEY_PATH) return true;
    const [, seq] = /^detail\/([1-9]\d{0,14})$/.exec(path) ?? [];
    if (seq !== undefined) return this.#hasDetail(Number(seq), size);
    const tile = parseTilePath(path);
    return tile !== undefined && tile.width === widthIn(tile, size);
  }

  async #hasDetail(seq: number, size: number): Promise<boolean> {
    if (seq > size) return false;
    const bundle = await this.read(tilePath(bundleOf(Math.floor((seq - 1) / TILE_WIDTH), size)));
    const leaf = bundle && decodeBundle(bundle).entries[(seq - 1) % TILE_WIDTH];
    return leaf !== undefined && leafParts(leaf)?.detailDigest !== undefined;
  }
}

/** How wide a tile is in a log of `size` entries; nothing or less when it has none of that number. */
function widthIn({ level, index }: TileId, size: number): number {
  if (level === 'entries') return bundleOf(index, size).width;
  return tileOf(level, Math.min(index * TILE_WIDTH, Number.MAX_SAFE_INTEGER), size).width;
}

async function* filesIn(directory: string): AsyncIterable<string> {
  for await (const entry of await opendir(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else yield path;
  }
}
