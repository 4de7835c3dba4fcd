import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMlModel } from './mlmodel.ts';
import { nextSemanticVersion, schemaChange } from './semantic-version.ts';
import type { ModelSchema } from './shapes.ts';

const field = (name: string, type = 'double', required = true) => ({ name, type, required });
const schema = (change: Partial<ModelSchema> = {}): ModelSchema => ({
  inputs: [field('age'), field('income', 'long')],
  outputs: [field('probability')],
  params: [],
  ...change,
});
const after = (change: Partial<ModelSchema>) => schemaChange(schema(), schema(change));

test('a change that breaks a caller is breaking, one that only adds is not', () => {
  assert.equal(after({}), 'none');
  assert.equal(after({ inputs: [field('income', 'long'), field('age')] }), 'none');
  assert.equal(after({ inputs: [field('age')] }), 'breaking');
  assert.equal(after({ inputs: [...schema().inputs, field('city', 'string')] }), 'breaking');
  assert.equal(after({ inputs: [field('age', 'string'), field('income', 'long')] }), 'breaking');
  assert.equal(after({ inputs: [...schema().inputs, field('city', 'string', false)] }), 'added');
  assert.equal(after({ inputs: [field('age', 'double', false), field('income', 'long')] }), 'added');
  assert.equal(after({ inputs: [field('age'), field('income', 'double')] }), 'added');
  assert.equal(after({ outputs: [] }), 'breaking');
  assert.equal(after({ outputs: [field('probability', 'float')] }), 'breaking');
  assert.equal(after({ outputs: [...schema().outputs, field('reason', 'string')] }), 'added');
  assert.equal(schemaChange(schema(), null), 'breaking');
  assert.equal(schemaChange(null, schema()), 'added');
});

test('the next semantic version follows the change', () => {
  const last = { major: 1, minor: 4, patch: 2 };
  assert.deepEqual(nextSemanticVersion(undefined, null, schema()), { major: 1, minor: 0, patch: 0 });
  assert.deepEqual(nextSemanticVersion(last, schema(), schema()), { major: 1, minor: 4, patch: 3 });
  const more = schema({ outputs: [...schema().outputs, field('reason')] });
  assert.deepEqual(nextSemanticVersion(last, schema(), more), { major: 1, minor: 5, patch: 0 });
  assert.deepEqual(nextSemanticVersion(last, more, schema()), { major: 2, minor: 0, patch: 0 });
});

test('an MLmodel file tells the columns, and a signature where they are numbers and texts', () => {
  const columns = '[{"type": "double", "name": "age", "required": true}, {"type": "string", "name": "city"}]';
  const outputs = '[{"type": "float", "name": "probability"}]';
  const read = readMlModel(`flavors:\n  onnx: {}\nsignature:\n  inputs: '${columns}'\n  outputs: '${outputs}'\n`);

  assert.deepEqual(read.schema?.inputs, [field('age'), field('city', 'string')]);
  assert.deepEqual(read.signature, {
    inputs: [
      { name: 'age', kind: 'numeric' },
      { name: 'city', kind: 'category' },
    ],
    output: 'probability',
  });
  const tensor = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 1]}}]';
  const other = readMlModel(`signature:\n  inputs: '${tensor}'\n`);
  assert.deepEqual(other.schema?.inputs, [field('0', 'tensor(float64)[-1,1]')]);
  assert.equal(other.signature, null);
  for (const text of ['', '{', 'a: &a [*a, *a]', 'signature: 3', "signature: {inputs: 'x'}"]) {
    assert.deepEqual(readMlModel(text), { schema: null, signature: null });
  }
});
