import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { InferResult } from '../../open-inference/protocol.ts';
import { jsonOf, rawOf } from '../../tensors/encode.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { bytesOf, writeInfer } from './write-infer.ts';

const text = fc.string({ unit: 'binary' }).map((it) => it.toWellFormed());
const shaped = (datatype: Tensor['datatype'], values: Tensor['values']) => ({
  datatype,
  values,
  shape: [values.length, 1],
});
const tensor = fc
  .tuple(
    text,
    fc.oneof(
      fc.float32Array({ maxLength: 3 }).map((values) => shaped('FP32', values)),
      fc.float64Array({ maxLength: 3 }).map((values) => shaped('FP64', values)),
      fc.bigInt64Array({ maxLength: 3, min: -9n, max: 9n }).map((values) => shaped('INT64', values)),
      fc.uint8Array({ maxLength: 3, max: 1 }).map((values) => shaped('BOOL', values)),
      fc.array(text, { maxLength: 3 }).map((values) => shaped('BYTES', values)),
    ),
  )
  .map(([name, it]): Tensor => ({ name, ...it }));
const result: fc.Arbitrary<InferResult> = fc.record({
  model: text,
  version: text,
  id: text,
  parameters: fc.dictionary(text, fc.oneof(text, fc.integer()), { noNullPrototype: true }),
  outputs: fc.array(tensor, { maxLength: 3 }),
});

test('an answer is the JSON of its parts, and behind it the outputs that were asked for as bytes', () => {
  fc.assert(
    fc.property(result, fc.boolean(), fc.nat({ max: 2 }), (given, all, other) => {
      const { model, version, id, parameters, outputs } = given;
      const byName = new Map(outputs[other] ? [[outputs[other].name, !all]] : []);
      const isRaw = ({ name }: Tensor): boolean => byName.get(name) ?? all;

      const { body, jsonBytes } = bytesOf(writeInfer(given, { all, byName }));

      const json = body.subarray(0, jsonBytes ?? body.length).toString();
      const expected = {
        model_name: model,
        model_version: version,
        ...(id === '' ? {} : { id }),
        ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
        outputs: outputs.map((output) => ({
          ...{ name: output.name, datatype: output.datatype, shape: output.shape },
          ...(isRaw(output)
            ? { parameters: { binary_data_size: rawOf(output.values).length } }
            : { data: jsonOf(output) }),
        })),
      };
      assert.equal(json, JSON.stringify(expected));
      const raws = outputs.filter(isRaw).map(({ values }) => rawOf(values));
      assert.deepEqual(body.subarray(Buffer.byteLength(json)), Buffer.concat(raws));
      assert.equal(jsonBytes === undefined, raws.length === 0);
    }),
  );
});
