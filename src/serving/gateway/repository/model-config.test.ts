import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { batchingOf, declaredAs } from './dynamic-batching.ts';
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

describe('dynamic batching', () => {
  const text = `max_batch_size: 16 dynamic_batching {
    preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 500
    priority_levels: 3 default_priority_level: 2
    default_queue_policy { max_queue_size: 100 timeout_action: DELAY default_timeout_microseconds: 7000 }
    priority_queue_policy { key: 1 value: { allow_timeout_override: true } }
  }`;
  const json = JSON.stringify({
    max_batch_size: 16,
    dynamic_batching: {
      preferred_batch_size: [4, '8'],
      max_queue_delay_microseconds: '500',
      priority_levels: '3',
      default_priority_level: 2,
      default_queue_policy: { max_queue_size: 100, timeout_action: 'DELAY', default_timeout_microseconds: 7_000 },
      priority_queue_policy: { '1': { allow_timeout_override: true } },
    },
  });
  const refused = (batching: string, why: RegExp): void =>
    assert.throws(() => configOfText(`dynamic_batching { ${batching} }`, 'm'), why);

  test('is read from text and from JSON, with the policy of each priority', () => {
    const policy = batchingOf(configOfText(text, 'm'), 16);
    assert.deepEqual(configOfJson(json, 'm'), configOfText(text, 'm'));
    assert.deepEqual(policy && { ...policy, names: undefined, levels: undefined }, {
      ...{ rowsMax: 16, preferred: [4, 8, 16], delayMs: 0.5, defaultLevel: 2, ordered: false },
      ...{ names: undefined, levels: undefined },
    });
    const byDefault = { requestsMax: 100, timeoutMs: 7, override: false, whenLate: 'delay' };
    const first = { requestsMax: Infinity, timeoutMs: Infinity, override: true, whenLate: 'reject' };
    assert.deepEqual(policy?.levels, [first, byDefault, byDefault]);
  });

  test('is told as it is in force, so that the same can be declared again', () => {
    for (const given of [text, 'dynamic_batching { preserve_ordering: true }', 'dynamic_batching {}']) {
      const policy = batchingOf(configOfText(given, 'm'), 16);
      const told = JSON.stringify({ dynamic_batching: declaredAs(policy) });
      assert.deepEqual(batchingOf(configOfJson(told, 'm'), 16), policy);
    }
    assert.equal(batchingOf(configOfText('max_batch_size: 4', 'm'), 4), undefined);
  });

  test('of which something cannot be followed is refused, with the field', () => {
    refused('max_queue_delay: 3', /dynamic_batching\.max_queue_delay is not known here/);
    refused('default_queue_policy { max_size: 3 }', /dynamic_batching\.default_queue_policy\.max_size is not known/);
    refused('default_queue_policy { timeout_action: WAIT }', /timeout_action is neither REJECT nor DELAY/);
    refused('preferred_batch_size: 0', /preferred_batch_size is not a whole number from 1/);
    refused('max_queue_delay_microseconds: -1', /max_queue_delay_microseconds is not a whole number/);
    refused('priority_levels: 2', /default_priority_level is 0, expected 1 to priority_levels, which is 2/);
    refused('priority_levels: 101 default_priority_level: 1', /priority_levels is not a whole number from 0 to 100/);
    refused('priority_queue_policy { key: 1 value {} }', /priority_queue_policy has 1/);
    refused('preserve_ordering: true priority_levels: 2 default_priority_level: 1', /preserve_ordering cannot be kept/);
    refused('preserve_ordering: maybe', /preserve_ordering is neither true nor false/);
    const large = configOfText('dynamic_batching { preferred_batch_size: 9 }', 'm');
    assert.throws(() => batchingOf(large, 8), /preferred_batch_size has 9, expected at most max_batch_size, 8/);
  });
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
