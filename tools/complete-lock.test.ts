import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { completeLock, platformOf } from './complete-lock.mjs';

const locked = (name: string) => ({ version: '1.2.3', integrity: `sha512-${name}` });

describe('completing the lock', () => {
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': { version: '0.1.0' },
      'node_modules/tool': {
        ...locked('tool'),
        dev: true,
        optionalDependencies: { 'tool-linux-x64': '1.2.3', 'tool-darwin-arm64': '1.2.3' },
      },
      'node_modules/tool-linux-x64': { ...locked('linux'), optional: true, os: ['linux'] },
      'node_modules/host': { ...locked('host'), optionalDependencies: { nested: '^2.0.0' } },
      'node_modules/host/node_modules/nested': locked('nested'),
    },
  };

  it('adds what the registry did not carry, for its platform only and as optional', () => {
    const { lock: completed, added } = completeLock(lock);
    assert.deepEqual(added, ['node_modules/tool-darwin-arm64']);
    assert.deepEqual(completed.packages['node_modules/tool-darwin-arm64'], {
      version: '1.2.3',
      dev: true,
      optional: true,
      os: ['darwin'],
      cpu: ['arm64'],
    });
  });

  it('changes nothing else, and nothing the second time', () => {
    const { lock: completed } = completeLock(lock);
    const { 'node_modules/tool-darwin-arm64': _, ...rest } = completed.packages;
    assert.deepEqual({ ...completed, packages: rest }, lock);
    assert.deepEqual(completeLock(completed), { lock: completed, added: [] });
  });

  it('reads the platform from the name of a package', () => {
    assert.deepEqual(platformOf('@biomejs/cli-linux-arm64-musl'), { os: ['linux'], cpu: ['arm64'], libc: ['musl'] });
    assert.deepEqual(platformOf('@oxc-parser/binding-linux-arm-gnueabihf'), {
      os: ['linux'],
      cpu: ['arm'],
      libc: ['glibc'],
    });
    assert.deepEqual(platformOf('@oxc-parser/binding-win32-x64-msvc'), { os: ['win32'], cpu: ['x64'] });
  });

  it('refuses what cannot be known offline: a range, and a name without a platform', () => {
    const wants = (name: string, version: string) => ({
      packages: { 'node_modules/tool': { ...locked('tool'), optionalDependencies: { [name]: version } } },
    });
    assert.throws(() => completeLock(wants('tool-darwin-x64', '^1.0.0')), /only an exact version/);
    assert.throws(() => completeLock(wants('fsevents-like', '1.0.0')), /does not tell an operating system/);
  });

  it('has nothing to add to the lock of this repository', () => {
    const text = readFileSync(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8');
    assert.deepEqual(completeLock(JSON.parse(text)).added, []);
  });
});
