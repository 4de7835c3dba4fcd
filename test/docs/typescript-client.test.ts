import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { openControlPlane } from '../../src/apps/control-plane/control-plane.ts';
import { openDataDir } from '../../src/apps/data-dir.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WITHIN_MS = 120_000;

/** The examples of a guide as one program, and what its comments say that it prints. */
async function programOf(guide: string): Promise<{ readonly program: string; readonly printed: readonly string[] }> {
  const text = await readFile(join(ROOT, 'docs/guides', guide), 'utf8');
  const program = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]).join('\n');
  const printed = [...program.matchAll(/^ *console\.log\(.*\);(?: |\n)\/\/ (.*)$/gm)].map((match) => match[1] ?? '');
  const calls = program.match(/console\.log\(/g) ?? [];
  assert.equal(printed.length, calls.length, 'each line that is printed is told in a comment after it');
  return { program, printed };
}

/** A control plane of its own with its administrator's token. */
async function serve(t: TestContext, folder: string) {
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  const plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  const url = await plane.start();
  t.after(() => plane.stop());
  return { KEDGE_URL: url, KEDGE_TOKEN: dataDir.tokens.admin };
}

test('the examples of the guide to the TypeScript client run, and print what it says', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-docs-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const env = await serve(t, folder);
  const { program, printed } = await programOf('typescript-client.md');
  // As `npm install ../kedge` lays it.
  await mkdir(join(folder, 'node_modules'));
  await symlink(ROOT, join(folder, 'node_modules/kedge'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  await writeFile(join(folder, 'example.ts'), program);
  const args = ['--disable-warning=ExperimentalWarning', 'example.ts'];
  const options = { cwd: folder, env, timeout: WITHIN_MS };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  assert.deepEqual(stdout.trimEnd().split('\n'), printed);
});
