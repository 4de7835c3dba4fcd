import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { configOfJson, configOfText } from './model-config.ts';
import { parseTextProto, type TextMessage } from './text-proto.ts';

test('a model configuration is read in all the ways in which the text format may be written', () => {
  const text = `
    # a comment
    name: "m"  platform: 'onnxruntime_onnx'
    max_batch_size: 16;
    version_policy: { specific { versions: [ 1, 3 ] } }
    input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] } ]
    output { name: "p", label_filename: "labels.txt" }
    output < name: "q" >
    parameters { key: "k" value { string_value: "a \\"quoted\\" word" } }
  `;
  const config = configOfText(text, 'm');

  assert.equal(config.maxBatchSize, 16);
  assert.deepEqual(config.versions, { kind: 'specific', versions: ['1', '3'] });
  assert.deepEqual([...config.labelFiles], [['p', 'labels.txt']]);
  assert.equal(config.fileName, 'model.onnx');
  const [parameter] = parseTextProto(text)['parameters'] as [TextMessage];
  const [value] = parameter['value'] as [TextMessage];
  assert.deepEqual(value['string_value'], ['a "quoted" word']);
});

test('the same as JSON gives the same configuration, with numbers as texts as well', () => {
  assert.deepEqual(
    configOfJson('{"max_batch_size": "16", "version_policy": {"latest": {"num_versions": 2}}}', 'm'),
    configOfText('max_batch_size: 16 version_policy { latest { num_versions: 2 } }', 'm'),
  );
  assert.deepEqual(configOfText('version_policy { all {} }', 'm').versions, { kind: 'all' });
  assert.deepEqual(configOfText('', 'm').versions, { kind: 'latest', count: 1 });
});

test('what a gateway cannot follow is refused, with the field', () => {
  assert.throws(() => configOfText('name: "other"', 'm'), /name is 'other', the model is 'm'/);
  assert.throws(() => configOfText('backend: "python"', 'm'), /backend 'python'/);
  assert.throws(() => configOfText('max_batch_size: -1', 'm'), /max_batch_size/);
  assert.throws(() => configOfText('default_model_filename: "../../etc/passwd"', 'm'), /default_model_filename/);
  assert.throws(() => configOfText('output { label_filename: "../x" }', 'm'), /label_filename/);
  assert.throws(() => configOfJson('[]', 'm'), /expected an object/);
});

test('text that is no text format is refused with its line', () => {
  assert.throws(() => parseTextProto('name: "a"\nname'), /expected a value at the end/);
  assert.throws(() => parseTextProto('a {\n b: 1'), /expected a field at the end/);
  assert.throws(() => parseTextProto('a: 1\n"open'), /from line 2 on/);
  assert.throws(() => parseTextProto('a {'.repeat(100)), /at most 32 levels/);
});

test('any text is read or refused, and whatever was written is read back', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseTextProto(text);
      } catch (error) {
        assert.match(String(error), /line \d|the end|levels/);
      }
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.stringMatching(/^[a-z_]{1,8}$/), fc.string())), (fields) => {
      const quoted = (value: string): string => `"${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, ' ')}"`;
      const read = parseTextProto(fields.map(([name, value]) => `${name}: ${quoted(value)}`).join('\n'));
      const total = Object.values(read).reduce((sum, values) => sum + values.length, 0);
      assert.equal(total, fields.length);
      for (const [name, value] of fields) assert.ok(read[name]?.includes(value.replace(/\n/g, ' ')), name);
    }),
  );
});
