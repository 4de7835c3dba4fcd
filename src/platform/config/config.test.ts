import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KedgeError } from '#core/errors';
import { childEnvironment, describeConfig, inheritedEnvironment, KEYS, loadConfig } from './index.ts';

function refusal(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    const { code, fields } = error as KedgeError;
    assert.equal(code, 'config/invalid');
    return fields.map((field) => `${field.path} ${field.message}`);
  }
  return assert.fail('was accepted');
}

test('there are at most 60 keys, each with a variable of its own, a default in its range and a reason', () => {
  const keys = Object.values(KEYS);

  assert.ok(keys.length <= 60);
  assert.equal(new Set(keys.map((key) => key.env)).size, keys.length);
  assert.doesNotThrow(() => loadConfig({}, {}));
  for (const key of keys) assert.ok(key.reason.endsWith('.') && key.reason.length > 10, key.env);
});

test('the command line comes before the environment, and the environment before the default', () => {
  const environment = { KEDGE_PORT: '5000', KEDGE_WORKERS: '3' };

  const config = loadConfig({ port: 6_000, host: undefined }, environment);

  assert.deepEqual([config.port, config.workers, config.host], [6_000, 3, '127.0.0.1']);
  assert.ok(Object.isFrozen(config));
});

test('everything that is wrong is told at once, by variable', () => {
  const environment = {
    KEDGE_PORT: '70000',
    KEDGE_WORKERS: '1.5',
    KEDGE_LEASE_MS: '',
    KEDGE_DATABASE_DURABLE: 'yes',
    KEDGE_LOG_LEVEL: 'loud',
    KEDGE_PROT: '1',
    OTHER: 'fine',
  };

  assert.deepEqual(refusal(() => loadConfig({}, environment)).sort(), [
    "KEDGE_DATABASE_DURABLE expected true or false, found 'yes'",
    "KEDGE_LEASE_MS expected a whole number from 1000 to 600000, found ''",
    "KEDGE_LOG_LEVEL expected one of fatal, error, warn, info, debug, trace, found 'loud'",
    "KEDGE_PORT expected a whole number from 0 to 65535, found '70000'",
    'KEDGE_PROT is not a configuration key (docs/reference/configuration.md lists them)',
    "KEDGE_WORKERS expected a whole number from 0 to 64, found '1.5'",
  ]);
});

test('a number is taken exactly when it is whole and in range', () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: -10, max: 70_000 }), fc.double()), (port) => {
      const fits = Number.isInteger(port) && port >= 0 && port <= 65_535;
      // A double may be -0, which a text cannot tell from 0.
      if (fits) assert.equal(loadConfig({}, { KEDGE_PORT: String(port) }).port, port + 0);
      else refusal(() => loadConfig({}, { KEDGE_PORT: String(port) }));
    }),
  );
});

test('truth values are written as true, false, 1 or 0', () => {
  for (const [text, value] of [
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ] as const) {
    assert.equal(loadConfig({}, { KEDGE_DATABASE_DURABLE: text }).databaseDurable, value);
  }
});

test('a child process reads the same configuration, and a step sees none of it', () => {
  const config = loadConfig({ port: 5_001, token: 'secret' }, { KEDGE_WORKERS: '7' });
  const environment = { PATH: '/bin', KEDGE_TOKEN: 'older' };

  const child = childEnvironment(config, environment);

  assert.equal(child['PATH'], '/bin');
  assert.deepEqual(loadConfig({}, child), config);
  assert.deepEqual(inheritedEnvironment(environment), { PATH: '/bin' });
});

test('the reference page of the configuration is what the keys say', async () => {
  const page = await readFile(new URL('../../../docs/reference/configuration.md', import.meta.url), 'utf8');

  assert.equal(page, describeConfig());
});
