import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completionAt, fieldText, positionIn, runLanguage } from './filter-completion.ts';

const language = runLanguage({
  metrics: ['auc', 'val loss'],
  params: ['optimizer'],
  tags: ['team'],
  valuesOf: (field: string) => (field === 'params.optimizer' ? ['adam', "o'neil"] : []),
});
const at = (text: string) => completionAt(text, text.length, language);

test('a field is offered at the start, after AND and within parentheses, also by a part of its key', () => {
  assert.deepEqual(at('met').suggestions, ['metrics.auc', 'metrics.`val loss`']);
  assert.deepEqual(at('metrics.auc > 1 AND (opt'), { start: 21, suggestions: ['params.optimizer'] });
});

test('operators follow a field, by its type, and values follow an operator', () => {
  assert.deepEqual(at('metrics.auc ').suggestions.slice(0, 3), ['=', '!=', '>']);
  assert.ok(at('params.optimizer ').suggestions.includes('ILIKE'));
  assert.ok(!at('status ').suggestions.includes('IS NULL'));
  assert.deepEqual(at('params.optimizer = ').suggestions, ["'adam'", "'o''neil'"]);
  assert.deepEqual(at("param.optimizer IN ('adam', ").suggestions, ["'adam'", "'o''neil'"]);
  assert.deepEqual(at("status = 'f").suggestions, ["'FINISHED'", "'FAILED'"]);
});

test('what is complete is followed by AND or OR, and a number is not guessed', () => {
  assert.deepEqual(at('metrics.auc > 1 ').suggestions, ['AND', 'OR']);
  assert.deepEqual(at("params.optimizer IN ('adam') ").suggestions, ['AND', 'OR']);
  assert.deepEqual(at('tags.team IS NOT NULL ').suggestions, ['AND', 'OR']);
  assert.deepEqual(at('metrics.auc > ').suggestions, []);
});

test('a key that is no plain word stands in back quotes, which are doubled within it', () => {
  assert.equal(fieldText('metrics', 'system/cpu-0.user'), 'metrics.system/cpu-0.user');
  assert.equal(fieldText('metrics', 'val loss'), 'metrics.`val loss`');
  assert.equal(fieldText('tags', 'a`b'), 'tags.`a``b`');
});

test('the place of an error is read from the message of the server', () => {
  assert.equal(positionIn("Invalid filter string: expected a number (position 13) in 'metrics.auc >'."), 13);
  assert.equal(positionIn('longer than 100 characters'), undefined);
});
