import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { InferResult } from '../../open-inference/protocol.ts';
import { callOf, type InferMessage, messageOf } from '../infer-message.ts';
import { loadService } from '../service.ts';
import { readInferRequest } from './read-infer-request.ts';
import { writeInferResponse } from './write-infer-response.ts';

const method = (await loadService())['ModelInfer'] ?? assert.fail();
const text = fc.string({ unit: 'binary', maxLength: 80 }).map((each) => each.toWellFormed());
const raw = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));

test('a request read by hand is what a generic reader makes of it', () => {
  const request = fc.record({
    model_name: text,
    model_version: text,
    id: text,
    inputs: fc.array(
      fc.record({ name: text, datatype: text, shape: fc.array(fc.nat(2 ** 28 - 1).map(String), { maxLength: 4 }) }),
      { maxLength: 3 },
    ),
    outputs: fc.array(fc.record({ name: text }), { maxLength: 2 }),
    raw: fc.array(raw, { minLength: 3, maxLength: 3 }),
  });
  fc.assert(
    fc.property(request, ({ raw: tensors, ...rest }) => {
      const bytes = method.requestSerialize({ ...rest, raw_input_contents: tensors.slice(0, rest.inputs.length) });
      const byHand = readInferRequest(bytes) ?? assert.fail('was not read');
      assert.deepEqual(callOf(byHand), callOf(method.requestDeserialize(bytes) as InferMessage));
    }),
  );
});

test('what is not read by hand is left to the generic reader: parameters, typed contents, and bytes at random', () => {
  const input = { name: 'x', datatype: 'FP32', shape: ['1'] };
  const parameters = { priority: { int64_param: '1' } };
  const others: readonly object[] = [
    { parameters },
    { inputs: [{ ...input, parameters }] },
    { inputs: [{ ...input, contents: { fp32_contents: [1] } }] },
    { inputs: [{ ...input, shape: ['-1'] }] },
    { inputs: [{ ...input, shape: ['4611686018427387904'] }] },
    { outputs: [{ name: 'y', parameters }] },
  ];
  for (const other of others) assert.equal(readInferRequest(method.requestSerialize(other)), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const byHand = readInferRequest(Buffer.from(bytes));
      if (byHand) assert.equal(byHand.id, (method.requestDeserialize(Buffer.from(bytes)) as InferMessage).id);
    }),
    { numRuns: 500 },
  );
});

test('an answer written by hand is what a generic writer makes of it', () => {
  const shape = fc.array(fc.nat(2 ** 40), { maxLength: 4 });
  const value = fc.oneof(
    ...[text, fc.double({ noNaN: true }), fc.integer(), fc.maxSafeInteger(), fc.constantFrom(0, 1, -1, 2 ** 31)],
  );
  const name = fc.constantFrom('revision', 'propensity', 'fallbacks', 'arm', 'größe');
  const values = fc.oneof(
    fc.array(fc.float({ noNaN: true }), { maxLength: 100 }).map((each) => Float32Array.from(each)),
    fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map((each) => BigInt64Array.from(each)),
    fc.array(text, { maxLength: 5 }),
  );
  const output = fc.record({ name: text, datatype: text, shape, values });
  const result = fc.record({
    ...{ model: text, version: text, id: text, parameters: fc.dictionary(name, value, { noNullPrototype: true }) },
    outputs: fc.array(output, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(result, (each) => {
      const written = writeInferResponse(each as InferResult);
      assert.deepEqual([written[0], written.readUInt32BE(1)], [0, written.length - 5]);
      const read = method.responseDeserialize(written.subarray(5));
      assert.deepEqual(read, method.responseDeserialize(method.responseSerialize(messageOf(each as InferResult))));
    }),
  );
});
