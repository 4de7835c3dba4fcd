import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LOG_LINE_LENGTH_MAX } from '#pipelines/contract';
import { metricLine, parseMarker, progressLine } from './host-protocol.ts';
import { LineSplitter } from './output-lines.ts';

function linesOf(chunks: readonly Uint8Array[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

test('lines do not depend on where the stream was cut, not even inside a character', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.nat(7), (texts, size) => {
      const lines = texts.map((text) => text.replaceAll(/[\r\n]/g, ' '));
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const chunks = Array.from({ length: Math.ceil(bytes.length / (size + 1)) }, (_, i) =>
        bytes.subarray(i * (size + 1), (i + 1) * (size + 1)),
      );
      assert.deepEqual(linesOf(chunks), lines);
    }),
  );
});

test('a line past the limit becomes several, the last line needs no end', () => {
  const lines = linesOf([Buffer.from('x'.repeat(LOG_LINE_LENGTH_MAX + 1)), Buffer.from('\r\nlast')]);

  assert.deepEqual(
    lines.map((line) => line.length),
    [LOG_LINE_LENGTH_MAX, 1, 4],
  );
});

test('markers are read as they are written, anything like them is output', () => {
  const progress = { n: 3, of: 10, text: 'tree 3 of 10' };

  assert.deepEqual(parseMarker(progressLine(progress)), { type: 'progress', progress });
  assert.deepEqual(parseMarker(progressLine({ n: 0.5, of: 1 })), { type: 'progress', progress: { n: 0.5, of: 1 } });
  assert.deepEqual(parseMarker(metricLine('val.auc', -1e-7)), { type: 'metric', name: 'val.auc', value: -1e-7 });
  for (const line of ['::kedge:progress 3', '::kedge:metric auc', '::kedge:metric auc 1e999', 'x ::kedge:metric a 1']) {
    assert.equal(parseMarker(line), undefined, line);
  }
});
