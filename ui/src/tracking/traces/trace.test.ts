import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completionAt } from '../filter-completion.ts';
import { formatMicros, previewText } from './trace.ts';
import { traceLanguage } from './trace-language.ts';

test('a preview says its text, also where it was cut off', () => {
  for (const [preview, text] of [
    ['{"question": "why?"}', 'why?'],
    ['"because"', 'because'],
    ['["a", "b"]', '["a", "b"]'],
    ['{"a": "b", "c": "d"}', '{"a": "b", "c": "d"}'],
    ['{"question": "a long one that was...', 'a long one that was…'],
    ['"a long one that was...', 'a long one that was…'],
    ['plain', 'plain'],
    [null, null],
  ] as const) {
    assert.equal(previewText(preview), text);
  }
});

test('durations are told in the unit that suits them', () => {
  const told = [0, 850.4, 1_234, 123_456, 3_210_000, 61_000_000].map(formatMicros);
  assert.deepEqual(told, ['0 µs', '850 µs', '1.2 ms', '123 ms', '3.21 s', '1 min 1 s']);
});

test('a filter of traces is completed with what the loaded traces have', () => {
  const said = { id: 'a', name: 'correct', kind: 'feedback', value: false, error: null, rationale: null } as const;
  const told = { source: { type: 'HUMAN', id: 'x' }, span: null, valid: true, createdAt: 0, updatedAt: 0 };
  const trace = { name: 'answer', tags: { team: 'north', 'mlflow.x': '1' }, assessments: [{ ...said, ...told }] };
  const language = traceLanguage([trace]);
  const at = (text: string) => completionAt(text, text.length, language).suggestions;
  assert.deepEqual(at("status = 'OK' AND span.t"), ['span.type']);
  assert.deepEqual(at('span.status = '), ["'OK'", "'ERROR'", "'UNSET'"]);
  assert.deepEqual(at('team'), ['tags.team']);
  assert.deepEqual(at('tag.team = '), ["'north'"]);
  assert.deepEqual(at('corr'), ['feedback.correct']);
  assert.deepEqual(at('feedback.correct = '), ["'false'"]);
  assert.ok(at('tags.team ').includes('RLIKE') && !at('text ').includes('RLIKE'));
  assert.ok(at('execution_time_ms ').includes('>=') && !at('trace.name ').includes('>='));
});
