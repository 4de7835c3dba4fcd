import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import { pipelineSpec } from '#pipelines/contract';
import type { Source } from '#pipelines/record/contract';

const GIT_MS = 10_000;
const LOCK_FILES = [
  ...['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock'],
  ...['uv.lock', 'poetry.lock', 'pdm.lock', 'Pipfile.lock', 'pylock.toml', 'requirements.txt', 'conda-lock.yml'],
  ...['renv.lock', 'Manifest.toml'],
];

/** Where a project file comes from: the commit of git that its folder is at, and the lock files that hold there. */
export async function sourceOf(projectFile: string): Promise<Source | undefined> {
  const folder = dirname(projectFile);
  const root = await git(folder, 'rev-parse', '--show-toplevel');
  const lockFiles = await lockFilesAt(folder, root ?? folder);
  const commit = root && (await git(folder, 'rev-parse', '--verify', 'HEAD'));
  if (!root || !commit) return Object.keys(lockFiles).length > 0 ? { lockFiles } : undefined;
  const [remote, branch, changes] = await Promise.all([
    git(folder, 'remote', 'get-url', 'origin'),
    git(folder, 'symbolic-ref', '--quiet', '--short', 'HEAD'),
    git(folder, 'status', '--porcelain', '--', '.'),
  ]);
  return {
    ...(remote ? { repository: withoutSecrets(remote) } : {}),
    commit,
    ...(branch ? { branch } : {}),
    ...(changes === undefined ? {} : { dirty: changes !== '' }),
    path: relative(root, projectFile).split(sep).join('/'),
    lockFiles,
  };
}

/**
 * The source to declare a pipeline with. One that is declared already and differs in nothing else keeps the source that
 * it has, so that a new commit alone changes nothing; unless that was of files that were in no commit then.
 */
export function sourceFor(
  spec: Readonly<Record<string, unknown>>,
  declared: Readonly<Record<string, unknown>> | undefined,
  found: Source,
): Source {
  const [now, before] = [pipelineSpec.safeParse({ ...spec, source: found }), pipelineSpec.safeParse(declared)];
  if (!now.success || !before.success || !before.data.source) return found;
  const kept = before.data.source;
  const isSame = canonicalJson({ ...now.data, source: null }) === canonicalJson({ ...before.data, source: null });
  const isSettled = !(kept.dirty && found.dirty === false);
  return isSame && isSettled && canonicalJson(kept.lockFiles) === canonicalJson(found.lockFiles) ? kept : found;
}

/** What git says, without the line's end; undefined when it fails, or is not there. */
function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: GIT_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile('git', ['--no-optional-locks', '-C', folder, ...args], options, (error, stdout) =>
      resolve(error ? undefined : stdout.trim()),
    );
  });
}

/** The nearest lock file of each kind, from the project's folder up to the root of the repository. */
async function lockFilesAt(folder: string, root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const named = new Set<string>();
  for (let at = folder; ; at = dirname(at)) {
    for (const name of LOCK_FILES) {
      if (named.has(name)) continue;
      const content = await readFile(join(at, name)).catch(() => undefined);
      if (!content) continue;
      named.add(name);
      found[relative(root, join(at, name)).split(sep).join('/')] = digestOf(content);
    }
    if (at === root || at === dirname(at)) return found;
  }
}

function withoutSecrets(remote: string): string {
  const url = URL.parse(remote);
  if (!url?.password && !(url?.username && url.protocol.startsWith('http'))) return remote;
  url.username = '';
  url.password = '';
  return url.href;
}
