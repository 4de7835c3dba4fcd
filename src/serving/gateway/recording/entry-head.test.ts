import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EntryHead, HEAD_BYTES_MAX, packHead, unpackHead } from './entry-head.ts';

test('heads are read as they were written, the usual and all others', () => {
  const score = fc.oneof(fc.float({ noNaN: true }), fc.double({ noNaN: true }));
  const latencyUs = fc.oneof(fc.nat(3_000), fc.integer({ min: 1_990_000, max: 2_200_000 }), fc.nat());
  const at = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1.7e12, max: 1.8e12 }));
  const given = fc.record({ at, score, latencyUs, late: fc.boolean(), drawn: fc.boolean() });
  fc.assert(
    fc.property(given, ({ late, drawn, ...rest }) => {
      const head: EntryHead = { ...rest, receivedAt: rest.at + (late ? 7 : 0), propensity: drawn ? 0.05 : 1 };
      const bytes = Buffer.alloc(HEAD_BYTES_MAX);
      const end = packHead({ ints: new Int32Array(bytes.buffer), floats: new Float32Array(bytes.buffer) }, 0, head);
      assert.deepEqual(unpackHead(bytes, 0), { head, end: 4 * end });
    }),
    { numRuns: 2_000 },
  );
});
