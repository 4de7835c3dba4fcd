import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

const bootstrap = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'bootstrap.mjs')).href);
const lockOf = (version: string) => ({
  name: 'example',
  version,
  lockfileVersion: 3,
  requires: true,
  packages: {
    '': { name: 'example', version, dependencies: { local: 'file:local' } },
    local: { version: '1.0.0' },
    'node_modules/local': { resolved: 'local', link: true },
  },
});

/** The real npm installs a project whose only dependency is a folder, so that no registry is needed. */
describe('making a clone ready', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kedge-bootstrap-'));
    write('local/package.json', { name: 'local', version: '1.0.0' });
    write('package.json', { name: 'example', version: '1.0.0', dependencies: { local: 'file:local' } });
    write('package-lock.json', lockOf('1.0.0'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function write(path: string, value: object): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), JSON.stringify(value));
  }

  /** Runs ensureInstalled in a process of its own; answers what it printed and returned. */
  async function install(): Promise<{ path: string; said: string }> {
    const script = `
      import { ensureInstalled } from ${bootstrap};
      ensureInstalled({ root: process.argv[1] }).then(console.log, (error) => console.log(error.name, error.message));`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, root], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let path = '';
    let said = '';
    child.stdout.on('data', (chunk) => {
      path += chunk;
    });
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    await once(child, 'close');
    return { path: path.trim(), said };
  }

  it('installs once, leaves a stamp, and returns the Node that can run TypeScript', async () => {
    const first = await install();
    assert.equal(first.path, process.execPath);
    assert.match(first.said, /Installing dependencies \(npm ci\): \d+ s, done/);
    assert.ok(existsSync(join(root, 'node_modules/local/package.json')));
    assert.deepEqual(await install(), { path: process.execPath, said: '' });
  });

  it('installs again when the lock changed or node_modules is gone', async () => {
    await install();
    write('package.json', { name: 'example', version: '2.0.0', dependencies: { local: 'file:local' } });
    write('package-lock.json', lockOf('2.0.0'));
    const stamp = () => readFileSync(join(root, 'node_modules/.kedge-stamp'), 'utf8');
    const before = stamp();
    await install();
    assert.notEqual(stamp(), before);
    rmSync(join(root, 'node_modules'), { recursive: true });
    assert.match((await install()).said, /done/);
    assert.ok(existsSync(join(root, 'node_modules/local/package.json')));
  });

  it('installs once when two start at the same time', async () => {
    const both = await Promise.all([install(), install()]);
    const installs = both.filter(({ said }) => said.includes('npm ci'));
    assert.equal(installs.length, 1);
    assert.deepEqual(
      both.map(({ path }) => path),
      [process.execPath, process.execPath],
    );
    assert.equal(existsSync(join(root, '.kedge-install.lock')), false);
  });

  it('says what to do when the lock does not fit, and leaves no stamp', async () => {
    write('package.json', { name: 'example', version: '1.0.0', dependencies: { local: 'file:local', other: '1.0.0' } });
    const { path, said } = await install();
    assert.match(path, /^BootstrapError package-lock\.json does not fit package\.json/);
    assert.match(said, /failed/);
    assert.equal(existsSync(join(root, 'node_modules/.kedge-stamp')), false);
    assert.equal(existsSync(join(root, '.kedge-install.lock')), false);
  });
});
