import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LogPosition } from './logs.ts';

interface Line {
  readonly stamp: string;
  readonly content: string;
}

/** Lines with times that do not go back: several of one nanosecond, several of one second. */
const logs = fc
  .array(fc.record({ stepNs: fc.constantFrom(0n, 0n, 1n, 250_000_000n, 1_000_000_000n), content: fc.string() }))
  .map((lines) => {
    let atNs = 1_700_000_000_999_999_990n;
    return lines.map(({ stepNs, content }): Line => {
      atNs += stepNs;
      const seconds = new Date(Number(atNs / 1_000_000n)).toISOString().slice(0, 19);
      const nanos = String(atNs % 1_000_000_000n).padStart(9, '0');
      return { stamp: `${seconds}.${nanos}Z`, content: `${content.replaceAll('\n', ' ')}\n` };
    });
  });

/** What a kubelet serves from a time on, of whole seconds. */
function served(lines: readonly Line[], sinceTime: string | undefined): Buffer {
  const since = sinceTime ? Date.parse(sinceTime) : 0;
  const found = lines.filter(({ stamp }) => Date.parse(stamp) >= since);
  return Buffer.from(found.map(({ stamp, content }) => `${stamp} ${content}`).join(''));
}

describe('the position in a log', () => {
  it('passes on every byte once, wherever connections break', () => {
    fc.assert(
      fc.property(
        logs,
        fc.array(fc.nat({ max: 400 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 50 }),
        (lines, breaks, size) => {
          const got: Buffer[] = [];
          const position = new LogPosition((bytes) => got.push(Buffer.from(bytes)));
          for (const end of [...breaks, Number.POSITIVE_INFINITY]) {
            position.reopen();
            const bytes = served(lines, position.sinceTime).subarray(0, end);
            for (let from = 0; from < bytes.length; from += size) position.take(bytes.subarray(from, from + size));
          }
          assert.equal(Buffer.concat(got).toString(), lines.map(({ content }) => content).join(''));
        },
      ),
    );
  });

  it('asks for the second of the last line in the zone of the node', () => {
    const position = new LogPosition(() => {});
    assert.equal(position.sinceTime, undefined);
    position.take(Buffer.from('2026-01-02T03:04:05.123456789+02:00 words\n'));
    assert.equal(position.sinceTime, '2026-01-02T03:04:05+02:00');
  });

  it('refuses lines without a time', () => {
    const position = new LogPosition(() => {});
    assert.throws(() => position.take(Buffer.from('x'.repeat(100))), /no time/);
  });
});
