import { readFile, realpath } from 'node:fs/promises';
import { dirname, extname, join, relative, resolve, sep } from 'node:path';
import { pipelineErrors } from '../errors.ts';
import { bundleOf, CODE_BYTES_MAX, CODE_FILES_MAX, type CodeBundle } from './bundle.ts';
import { importsOf } from './imports.ts';

const EXTENSIONS = new Set(['.ts', '.mts', '.js', '.mjs', '.json']);

/**
 * Bundles step modules with everything they import by a relative path. Packages (`kedge/steps`, `node:fs`) are not
 * bundled: they resolve where the code runs.
 *
 * `projectDir` is what the paths of the bundle are relative to, and what no file may lie outside of; it is the
 * directory of the (first) root file unless told. Fails with `pipelines/code-invalid`, which names the file and why.
 */
export async function packCode(
  rootFile: string | readonly string[],
  options: { readonly projectDir?: string } = {},
): Promise<CodeBundle> {
  const roots = (typeof rootFile === 'string' ? [rootFile] : rootFile).map((file) => resolve(file));
  const [first] = roots;
  if (first === undefined) throw pipelineErrors['code-invalid']('name at least one file to bundle');
  const projectDir = await realpath(options.projectDir ?? dirname(first));
  const files = new Map<string, string>();
  const queue = roots.map((file) => ({ file, importer: undefined as string | undefined }));
  let bytes = 0;
  for (const { file, importer } of queue) {
    const { path, text } = await readModule(projectDir, file, importer);
    if (files.has(path)) continue;
    files.set(path, text);
    bytes += Buffer.byteLength(text);
    if (files.size > CODE_FILES_MAX || bytes > CODE_BYTES_MAX) {
      const limits = `${CODE_FILES_MAX} files and ${CODE_BYTES_MAX} bytes`;
      throw pipelineErrors['code-invalid'](`the code is larger than the limits, ${limits}, at ${path}`);
    }
    if (extname(path) === '.json') continue;
    for (const specifier of importsOf(text)) {
      if (/^\.\.?\//.test(specifier)) queue.push({ file: resolve(dirname(file), specifier), importer: path });
    }
  }
  return bundleOf(Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1))));
}

async function readModule(
  projectDir: string,
  file: string,
  importer: string | undefined,
): Promise<{ readonly path: string; readonly text: string }> {
  const who = importer === undefined ? '' : `${importer} imports `;
  let real: string;
  try {
    real = await realpath(file);
  } catch {
    throw pipelineErrors['code-invalid'](`${who}${file}, which does not exist (imports carry their extension)`);
  }
  const place = relative(projectDir, real);
  if (place.startsWith('..') || resolve(projectDir, place) !== real || place === '') {
    throw pipelineErrors['code-invalid'](`${who}${file}, which is outside the project directory ${projectDir}`);
  }
  if (!EXTENSIONS.has(extname(real))) {
    const kinds = [...EXTENSIONS].join(' ');
    throw pipelineErrors['code-invalid'](`${who}${file}, which cannot be bundled: expected ${kinds}`);
  }
  // The path as it was imported, not where a link leads: that is the path under which the importer looks for it.
  const wanted = relative(projectDir, join(await realpath(dirname(file)), file.slice(dirname(file).length + 1)));
  return { path: wanted.split(sep).join('/'), text: await readFile(real, 'utf8') };
}
