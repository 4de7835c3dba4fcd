import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFlag } from './flag-expression.ts';

const request = {
  inputs: { amount: 1200, country: 'DE', 'days left': 3, vip: true, gone: null, list: [1] },
  entities: { customer: "o'neill" },
};
const holds = (text: string): boolean => parseFlag(text)(request);

test('conditions are read as in SQL, with and before or, and compare numbers, texts and truth values', () => {
  for (const text of [
    'inputs.amount >= 1000',
    "inputs.country in ('DE', 'FR') and inputs.amount < 2e3",
    'inputs."days left" = 3',
    "entities.customer = 'o''neill'",
    'inputs.vip = true AND NOT inputs.amount = 5',
    "inputs.country = 'FR' and inputs.amount = 0 or inputs.vip",
    "starts_with(entities.customer, 'o''') and ends_with(inputs.country, 'E') and contains('abc', 'b')",
    'inputs.gone is missing and inputs.absent is missing and inputs.amount is not missing',
    'not (inputs.amount < 1000 or inputs.amount <> 1200)',
    'inputs.amount != -1.5',
  ]) {
    assert.equal(holds(text), true, text);
  }
});

test('what is missing or of another kind compares as false, and never fails a request', () => {
  for (const text of [
    'inputs.absent = 1',
    'inputs.absent != 1',
    "inputs.amount < '2000'",
    'inputs.list = 1',
    'inputs.constructor is not missing',
    'inputs.__proto__ is not missing',
    'starts_with(inputs.amount, inputs.country)',
    'inputs.amount',
    'inputs.absent in (1, 2)',
  ]) {
    assert.equal(holds(text), false, text);
  }
  assert.equal(parseFlag('entities.customer is missing')({ inputs: {}, entities: undefined }), true);
});

test('an expression that cannot be read says what was expected where', () => {
  const said = (text: string): string => {
    try {
      parseFlag(text);
    } catch (error) {
      return (error as Error).message;
    }
    return 'read';
  };
  assert.match(said('inputs.amount >'), /^character 16: expected a text in .*, found the end$/);
  assert.match(said('inputs.amount = 1 inputs'), /character 18: expected the end, found 'inputs'/);
  assert.match(said('process.exit()'), /character 1: expected a text in .*, found 'process'/);
  assert.match(said('inputs.a in ()'), /expected a text/);
  assert.match(said('inputs.a is here'), /expected missing/);
  assert.match(said('inputs.a = 1; drop'), /cannot be read from character 13/);
  assert.match(said(`${'('.repeat(30)}1${')'.repeat(30)}`), /nested more than 20 deep/);
  assert.match(said('not '.repeat(100)), /nested more than 20 deep/);
  assert.match(said('x'.repeat(1_001)), /at most 1000 fit/);
});

test('whatever is written is either refused with an error or answers every request', () => {
  const word = fc.constantFrom('inputs', 'entities', '.', 'a', '"b c"', "'t'", '1', '-2.5', '=', '<=', 'and', 'or');
  const other = fc.constantFrom('not', 'in', '(', ')', ',', 'is', 'missing', 'true', 'contains', '{', '\\');
  const value = fc.oneof(fc.string(), fc.double(), fc.constant(null), fc.boolean());
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(fc.oneof(word, other), { maxLength: 30 }).map((words) => words.join(' ')),
        fc.string(),
      ),
      fc.dictionary(fc.constantFrom('a', 'b c', '__proto__'), value),
      (text, inputs) => {
        let test: ReturnType<typeof parseFlag>;
        try {
          test = parseFlag(text);
        } catch (error) {
          assert.ok(error instanceof Error && !(error instanceof TypeError) && !(error instanceof RangeError));
          return;
        }
        assert.equal(typeof test({ inputs, entities: { a: 't' } }), 'boolean');
      },
    ),
    { numRuns: 1_000 },
  );
});
