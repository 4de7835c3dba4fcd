import fc from 'fast-check';

const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  taken: fc.nat({ max: 1 }),
  put: fc.oneof(fc.constantFrom(...Array.from('{}[]",:.-+eE0159 nul\\')), fc.string({ maxLength: 1 })),
});

/** A body of which one byte is another, is missing, or is too many. */
export function changedBody(bodies: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.tuple(bodies, change).map(([body, { at, taken, put }]) => {
    const place = Math.floor(at * body.length);
    return Buffer.concat([body.subarray(0, place), Buffer.from(put), body.subarray(place + taken)]);
  });
}

/** A decimal as most clients write them. */
export const decimal: fc.Arbitrary<string> = fc
  .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat({ max: 9 }))
  .map(([digits, scale]) => (digits / 10 ** scale).toFixed(scale));
