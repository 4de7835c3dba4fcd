import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { artifactPathSchema } from './contract.ts';
import { foldersOf, isLater, latestByKey, numberOf, storedValue } from './model.ts';

const anyNumber = fc.oneof(
  fc.double(),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);

test('every number comes back from its stored columns, which are finite', () => {
  fc.assert(
    fc.property(anyNumber, (number) => {
      const stored = storedValue(number);
      assert.ok(Number.isFinite(stored.value));
      // -0 is stored as 0.
      assert.ok(Object.is(numberOf(stored), number) || number === 0);
    }),
  );
});

test('the latest point of a key is later than or equal to every other, in whatever order they come', () => {
  const point = fc.record({
    key: fc.constantFrom('a', 'b'),
    value: anyNumber,
    step: fc.integer({ min: 0, max: 3 }),
    timestamp: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(point), (points) => {
      for (const [key, latest] of latestByKey(points)) {
        assert.ok(points.filter((other) => other.key === key).every((other) => !isLater(other, latest)));
      }
    }),
  );
});

test('paths that leave the run, or could be read as if they did, are refused', () => {
  const refused = [
    '',
    '/etc/passwd',
    '../x',
    'a/../b',
    'a//b',
    'a/',
    './a',
    'a\0b',
    'a\\b',
    'C:/x',
    '%2e%2e/x',
    'a%2Fb',
  ];
  for (const path of [...refused, 'a'.repeat(256), 'a\nb']) {
    assert.equal(artifactPathSchema.safeParse(path).success, false, JSON.stringify(path));
  }
  for (const path of ['model.onnx', 'plots/roc curve.svg', 'a/..b/c', 'größe.json', '100%.txt']) {
    assert.equal(artifactPathSchema.safeParse(path).success, true, path);
  }
});

test('a path that is accepted never resolves to a place outside its folder', () => {
  const name = fc.oneof(fc.constantFrom('..', '.', '', 'a', '/', '\\', '\0', '%2e', 'C:'), fc.string({ maxLength: 5 }));
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), (names) => {
      const path = names.join('/');
      if (!artifactPathSchema.safeParse(path).success) return;
      const url = new URL(`http://host/run/${path.split('/').map(encodeURIComponent).join('/')}`);
      assert.ok(url.pathname.startsWith('/run/') && url.pathname.length > '/run/'.length);
    }),
    { numRuns: 2_000 },
  );
});

test('the folders of a path are named outermost first', () => {
  assert.deepEqual(foldersOf('a/b/c.txt'), ['a', 'a/b']);
  assert.deepEqual(foldersOf('c.txt'), []);
});

test('of one step the later time is the latest, of one time the larger value', () => {
  const at = (step: number, timestamp: number, value: number) => ({ step, timestamp, value });
  assert.ok(isLater(at(2, 1, 0), at(1, 9, 9)));
  assert.ok(isLater(at(1, 2, 0), at(1, 1, 9)) && !isLater(at(1, 1, 9), at(1, 2, 0)));
  assert.ok(isLater(at(1, 1, 2), at(1, 1, 1)) && !isLater(at(1, 1, 1), at(1, 1, 1)));
});
