import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spansInText } from './file-spans.ts';
import { plainValue, statusOf } from './otlp.ts';

test('both forms of the file that MLflow has had are read, times to the nanosecond', () => {
  const earlier = `{"spans": [
    {"name": "root", "context": {"span_id": "0x00f067aa0ba902b7", "trace_id": "0x4bf92f3577b34da6a3ce929d0e0e4736"},
     "parent_id": null, "start_time": 1700000000123456789, "end_time": 1700000000999999999, "status_code": "OK",
     "status_message": "", "attributes": {"mlflow.spanInputs": "{\\"q\\": [1, null]}", "note": "no json"},
     "events": []},
    {"name": "child", "context": {"span_id": "0x1111111111111111", "trace_id": "0x4bf92f3577b34da6a3ce929d0e0e4736"},
     "parent_id": "0x00f067aa0ba902b7", "start_time": 1700000000123456790, "status_code": "ERROR",
     "status_message": "broke", "events": [{"name": "exception", "timestamp": 5, "attributes": {"a": 1}}]}]}`;
  const [root, child] = spansInText(earlier);
  assert.deepEqual(
    [root?.traceId, root?.spanId, root?.parentSpanId, root?.startTimeUnixNano, root?.endTimeUnixNano],
    ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7', undefined, '1700000000123456789', '1700000000999999999'],
  );
  assert.deepEqual(
    root?.attributes.map(({ key, value }) => [key, plainValue(value)]),
    [
      ['mlflow.spanInputs', { q: [1, null] }],
      ['note', 'no json'],
    ],
  );
  assert.deepEqual(
    [child?.parentSpanId, child && statusOf(child), child?.status?.message],
    [root?.spanId, 'ERROR', 'broke'],
  );
  assert.deepEqual(
    child?.events?.map(({ name, timeUnixNano }) => [name, timeUnixNano]),
    [['exception', '5']],
  );

  const [bare] = spansInText(earlier.replaceAll('0x', ''));
  assert.deepEqual(bare, root, 'MLflow 2.22 writes the digits alone');

  const later = `{"spans": [{"trace_id": "S/kvNXezTaajzpKdDg5HNg==", "span_id": "APBnqgupArc=", "parent_span_id": "",
    "name": "root", "start_time_unix_nano": 1700000000123456789, "end_time_unix_nano": 1700000000999999999,
    "status": {"code": "STATUS_CODE_ERROR", "message": ""}, "attributes": {"mlflow.spanType": "\\"LLM\\""}}]}`;
  const [span] = spansInText(later);
  assert.deepEqual([span?.traceId, span?.spanId, span && statusOf(span)], [root?.traceId, root?.spanId, 'ERROR']);
  assert.deepEqual(span?.attributes, [{ key: 'mlflow.spanType', value: { stringValue: 'LLM' } }]);
});

test('an id in base64 may begin as digits after `0x` do', () => {
  const ids = ['d31f67a0ba902b70', 'd31f67a0ba902b7000000000000000aa'].map((hex) =>
    Buffer.from(hex, 'hex').toString('base64'),
  );
  const [spanId, traceId] = ids;
  assert.ok(ids.every((id) => id.startsWith('0x')));
  const text = JSON.stringify({ spans: [{ span_id: spanId, trace_id: traceId, name: 'a', start_time_unix_nano: 5 }] });
  const [span] = spansInText(text);
  assert.deepEqual([span?.spanId, span?.traceId], ['d31f67a0ba902b70', 'd31f67a0ba902b7000000000000000aa']);
});

test('a file of something else has no spans, and what is wrong in one leaves the others', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  for (const text of ['', 'null', '[]', '{}', '{"spans": {}}', '{"spans": [1, null, "a", {}]}', `{"spans": ${deep}}`]) {
    assert.deepEqual(spansInText(text), [], text.slice(0, 40));
  }
  const good = { span_id: 'APBnqgupArc=', name: 'a', start_time_unix_nano: 5, attributes: { deep } };
  const [kept, ...none] = spansInText(JSON.stringify({ spans: [{ ...good, span_id: 'x' }, good] }));
  assert.deepEqual([kept?.name, none.length], ['a', 0]);
  assert.equal(kept?.attributes[0]?.value.stringValue, deep, 'what is nested too deep stays the text that it is');
});
