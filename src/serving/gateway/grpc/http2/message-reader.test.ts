import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessageReader, type RpcFrame } from './message-reader.ts';

test('messages are the same however they are cut, and what is held is given back', () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const messages = fc.array(fc.record({ compressed: fc.boolean(), bytes }, { noNullPrototype: true }));
  fc.assert(
    fc.property(
      messages,
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      fc.nat(60),
      (sent, cuts, tail) => {
        let held = 0;
        const budget = {
          take: (bytes: number) => {
            held += bytes;
          },
          give: (bytes: number) => {
            held -= bytes;
          },
        };
        const reader = new MessageReader(40, budget);
        const wire = Buffer.concat([
          ...sent.map((each) => Buffer.from([Number(each.compressed), 0, 0, 0, each.bytes.length, ...each.bytes])),
          Buffer.from([0, 0, 0, 0, 40, ...new Uint8Array(tail % 40)]).subarray(0, tail),
        ]);
        const frames: RpcFrame[] = [];
        for (let at = 0, i = 0; at < wire.length; i++) {
          const size = cuts[i % cuts.length] as number;
          reader.push(wire.subarray(at, at + size), frames);
          at += size;
        }
        assert.deepEqual(
          frames.map((frame) => ({ compressed: frame.compressed, bytes: Uint8Array.from(frame.bytes) })),
          sent,
        );
        assert.equal(reader.isWithinMessage, held > 0);
        reader.release();
        assert.equal(held, 0);
      },
    ),
  );
});
