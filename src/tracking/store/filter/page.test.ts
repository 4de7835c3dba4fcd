import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyValuesOf, pageToken } from './index.ts';

test('a page token is good for the search that answered it, and a made-up one is refused', () => {
  const search = { runs: ['1'], filter: null };
  const token = pageToken(search, ['a', 1.5]);
  assert.deepEqual(keyValuesOf(token, search, ['text', 'double']), ['a', 1.5]);
  const forged = Buffer.from(JSON.stringify({ offset: 5 })).toString('base64');
  for (const [text, asked, kinds] of [
    [token, { runs: ['2'], filter: null }, ['text', 'double']],
    [token, search, ['text', 'integer']],
    [token, search, ['text']],
    [pageToken(search, ['\0']), search, ['text']],
    [forged, search, ['text']],
    ['%%%', search, ['text']],
    [Buffer.from('null').toString('base64url'), search, []],
  ] as const) {
    assert.throws(() => keyValuesOf(text, asked, kinds), { code: 'search/invalid-page-token' }, text);
  }
});
