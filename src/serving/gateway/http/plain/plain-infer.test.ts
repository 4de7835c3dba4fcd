import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '#core/hash';
import type { RoutedEndpoint } from '../../../routing.ts';
import { liveEndpoint } from '../../live-endpoint.ts';
import { rowsOfMatrix } from '../../tensors/matrix.ts';
import { endpointOf } from '../../testing/gateway-harness.ts';
import { readInfer } from '../open-inference/read-infer.ts';
import { type PlainInfer, type PlainRows, plainInferOf } from './plain-infer.ts';
import { changedBody, decimal } from './testing/changed-body.ts';

const WIDTH = 3;
const ROWS_MAX = 4;
const arm = (inputs: readonly { name: string; kind: 'numeric' | 'category' }[]) => ({
  ...{ revision: 'm@1', model: 'm', version: 1, digest: digestOf('1') },
  signature: { inputs: [...inputs], output: 'value' as const },
});
const numbers = ['a', 'b', 'c'].map((name) => ({ name, kind: 'numeric' as const }));
const reader = (more: Partial<RoutedEndpoint> = {}, inputs: Parameters<typeof arm>[0] = numbers) =>
  plainInferOf(liveEndpoint(endpointOf('e', arm(inputs), more), 0), ROWS_MAX);

function plainInfer(): PlainInfer {
  const found = reader();
  assert.ok(found);
  return found;
}

/** As a body is read that is parsed first; undefined for one that is refused, or asks for anything else. */
function readParsed(body: Buffer): PlainRows | undefined {
  try {
    const { id, inputs, parameters, outputs } = readInfer(body, undefined);
    if ('rawBody' in inputs || Object.keys(parameters).length > 0 || outputs) return undefined;
    const rows = rowsOfMatrix(inputs, { width: WIDTH, rowsMax: ROWS_MAX });
    return rows && { id, rows };
  } catch {
    return undefined;
  }
}

const plainNumber = fc.oneof(decimal, fc.constant('null'));
const space = fc.constantFrom('', ' ', '\n');
const order = (length: number) =>
  fc.shuffledSubarray(
    Array.from({ length }, (_, i) => i),
    { minLength: length },
  );

/** A body of whole rows of these numbers, its names in any order. */
const bodyOf = (number: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc
    .record({
      rows: fc.array(fc.array(number, { minLength: WIDTH, maxLength: WIDTH }), { minLength: 1, maxLength: ROWS_MAX }),
      id: fc.option(fc.stringMatching(/^[\w.:-]{1,30}$/), { nil: undefined }),
      gap: space,
      outer: order(2),
      inner: order(4),
    })
    .map(({ rows, id, gap, outer, inner }) => {
      const list = (values: readonly unknown[]): string => `[${gap}${values.join(`${gap},${gap}`)}${gap}]`;
      const object = (pairs: readonly (string | undefined)[], by: readonly number[]): string =>
        `{${gap}${by.flatMap((i) => pairs[i] ?? []).join(`${gap},${gap}`)}${gap}}`;
      const pair = (name: string, value: string): string => `"${name}"${gap}:${gap}${value}`;
      const tensor = object(
        [
          pair('name', '"features"'),
          pair('shape', list([rows.length, WIDTH])),
          pair('datatype', '"FP32"'),
          pair('data', list(rows.flat())),
        ],
        inner,
      );
      const own = id === undefined ? undefined : pair('id', JSON.stringify(id));
      return Buffer.from(`${gap}${object([own, pair('inputs', list([tensor]))], outer)}${gap}`);
    });

describe('infer requests for the one matrix of an endpoint', () => {
  test('are read as they are parsed, in any order and with any white space', () => {
    fc.assert(
      fc.property(bodyOf(plainNumber), (body) => {
        const read = plainInfer().read(body);
        assert.ok(read, body.toString());
        assert.deepEqual(read, readParsed(body));
      }),
    );
  });

  test('are read as they are parsed or not at all, whatever their numbers', () => {
    let reads = 0;
    const rare = [fc.double().map((value) => JSON.stringify(value)), fc.json()];
    const number = fc.oneof(
      { weight: 20, arbitrary: plainNumber },
      ...rare.map((arbitrary) => ({ weight: 1, arbitrary })),
    );
    fc.assert(
      fc.property(bodyOf(number), (body) => {
        const read = plainInfer().read(body);
        if (read) assert.deepEqual(read, readParsed(body));
        if (read) reads += 1;
      }),
      { numRuns: 500 },
    );
    assert.ok(reads > 100, `${reads}`);
  });

  test('are read as they are parsed or not at all when any byte of them is another, missing or too many', () => {
    fc.assert(
      fc.property(changedBody(bodyOf(plainNumber)), (changed) => {
        const read = plainInfer().read(changed);
        if (read) assert.deepEqual(read, readParsed(changed));
      }),
      { numRuns: 5_000 },
    );
  });

  test('that ask for more, or give other rows than they say, are left to what reads everything', () => {
    const tensor = '{"name":"features","shape":[1,3],"datatype":"FP32","data":[1,2,3]}';
    assert.deepEqual(plainInfer().read(Buffer.from(`{"inputs":[${tensor}]}`)), { id: undefined, rows: [[1, 2, 3]] });
    for (const body of [
      `{"inputs":[${tensor}],"outputs":[{"name":"value"}]}`,
      `{"inputs":[${tensor}],"parameters":{}}`,
      `{"inputs":[${tensor},${tensor}]}`,
      `{"inputs":[${tensor}],"inputs":[${tensor}]}`,
      `{"id":"","inputs":[${tensor}]}`,
      `{"id":"${'x'.repeat(199)}","inputs":[${tensor}]}`,
      `{"inputs":[${tensor.replace('[1,3]', '[2,3]')}]}`,
      `{"inputs":[${tensor.replace('[1,3]', '[3,1]')}]}`,
      `{"inputs":[${tensor.replace('[1,3]', '[3]')}]}`,
      `{"inputs":[${tensor.replace('[1,2,3]', '[[1,2,3]]')}]}`,
      `{"inputs":[${tensor.replace('[1,2,3]', '[1,2,3e39]')}]}`,
      `{"inputs":[${tensor.replace('[1,2,3]', '[]')}]}`,
      `{"inputs":[${tensor.replace('FP32', 'FP64')}]}`,
      `{"inputs":[${tensor.replace('features', 'a')}]}`,
      `{"inputs":[${tensor.replace('[1,3]', '[5,3]').replace('1,2,3', '1,2,3,1,2,3,1,2,3,1,2,3,1,2,3')}]}`,
      '{"inputs":[]}',
    ]) {
      assert.equal(plainInfer().read(Buffer.from(body)), undefined, body);
    }
  });

  test('are those of one revision that takes numbers, and nothing but from the request', () => {
    assert.ok(reader());
    assert.equal(reader({}, [...numbers, { name: 'd', kind: 'category' }]), undefined);
    assert.equal(reader({}, []), undefined);
    assert.equal(reader({ candidate: { ...arm(numbers), weight: 10, shadow: false }, rollout: 'roll_1' }), undefined);
  });
});
