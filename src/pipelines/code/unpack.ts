import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Digest } from '#core/hash';
import { assertDigest, type BlobStore } from '#ports/blob-store';
import { readBundle } from './bundle.ts';

/** The root of the package that this file is part of: what `kedge` means to the code of a bundle. */
const PACKAGE_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/**
 * Writes a bundle to `<dir>/<hexadecimal digest>/` and returns that path. A bundle that is there already is left alone;
 * it appears there whole or not at all. `import … from 'kedge/steps'` resolves to this very installation.
 */
export async function unpackCode(blobs: BlobStore, digest: Digest, dir: string): Promise<string> {
  assertDigest(digest);
  const target = join(dir, digest.slice('sha256:'.length));
  // Asked before each step, so at once: the wait for a thread that looks would be longer.
  if (existsSync(target)) return target;
  const bundle = await readBundle(await blobs.get(digest));
  const temporary = join(dir, `tmp-${randomUUID()}`);
  try {
    await writeBundle(temporary, bundle.files);
    await rename(temporary, target);
  } catch (error) {
    // Somebody else was faster with the same content.
    if (!existsSync(target)) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}

async function writeBundle(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(dir, 'node_modules'), { recursive: true });
  await symlink(PACKAGE_ROOT, join(dir, 'node_modules', 'kedge'), 'dir');
  if (!Object.hasOwn(files, 'package.json')) await writeFile(join(dir, 'package.json'), '{"type":"module"}\n');
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text, { mode: 0o444 });
  }
}
