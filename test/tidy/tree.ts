import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { SourceFile } from './source-file.ts';

/** What git tracks, and what it would track if it were added. The bad trees of the fixtures are not part of it. */
export function readRepository(root: string): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const paths = [...new Set(listed.split('\0'))].filter((path) => path && !path.startsWith('test/tidy/fixtures/'));
  // A file that is deleted but not yet committed is still listed.
  return paths.filter((path) => existsSync(join(root, path))).map((path) => readFile(root, path));
}

/** Every file below a folder. */
export function readFolder(root: string): SourceFile[] {
  const paths = globSync('**/{*,.*}', { cwd: root }).filter((path) => statSync(join(root, path)).isFile());
  return paths.map((path) => readFile(root, path.split(sep).join('/')));
}

function readFile(root: string, path: string): SourceFile {
  const bytes = readFileSync(join(root, path));
  return new SourceFile(path, bytes.includes(0) ? '' : bytes.toString('utf8'));
}
