import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventSchema, eventTypes } from '#platform/events';
import { fieldsOf, matches, whereIssues, whereSpec } from './where.ts';
import '../index.ts';

const schemaOf = (type: string): EventSchema => {
  const schema = eventTypes().get(type);
  assert.ok(schema, type);
  return schema;
};
const issuesOf = (where: Readonly<Record<string, unknown>>, type = 'pipeline.run-finished'): string[] =>
  whereIssues(whereSpec.parse(where), { type, schema: schemaOf(type) }).map(({ message }) => message);

test('a field is compared with a value or in each way that is told, all of which must hold', () => {
  const event = { status: 'failed', cause: { depth: 2, kind: 'rule' }, reason: null, subject: 'pipeline-run/r' };
  const of = (where: unknown): boolean => matches(whereSpec.parse(where), event);

  for (const where of [
    {},
    { status: 'failed' },
    { reason: null },
    { 'cause.depth': { above: 1, atMost: 2 } },
    { 'cause.depth': { atLeast: 2, below: 3 }, 'cause.kind': { in: ['user', 'rule'], not: 'event' } },
    { subject: { startsWith: 'pipeline-run/' } },
    { absent: { not: 'x' } },
  ]) {
    assert.ok(of(where), JSON.stringify(where));
  }
  for (const where of [
    { status: 'succeeded' },
    { status: 'failed', reason: 'x' },
    { 'cause.depth': { above: 2 } },
    { 'cause.depth': { below: 2 } },
    { 'cause.depth': { atLeast: 2, atMost: 1 } },
    { 'cause.kind': { in: ['user'] } },
    { 'cause.kind.deeper': { equals: 'rule' } },
    { subject: { startsWith: 'run' } },
    { absent: null },
    { status: { above: 0 } },
  ]) {
    assert.ok(!of(where), JSON.stringify(where));
  }
});

test('what no event of a type can be is told, with its path', () => {
  assert.deepEqual(issuesOf({ status: 'failed', 'cause.kind': { in: ['user'] }, 'cause.depth': { above: 1 } }), []);
  assert.deepEqual(
    issuesOf({ seq: { above: 5 }, subject: { startsWith: 'x' }, reason: null, 'outputs.x.bytes': 3 }),
    [],
  );
  assert.match(
    issuesOf({ state: 'failed' })[0] ?? '',
    /^pipeline\.run-finished has no field 'state': expected one of cause, generation, outputs, pipeline, .*verifies$/,
  );
  assert.match(
    issuesOf({ 'status.code': 1 })[0] ?? '',
    /has no field 'status\.code': there is "succeeded" or "failed" or "cancelled" before 'code'$/,
  );
  assert.deepEqual(issuesOf({ status: { in: ['failed', 'broken'] } }), [
    '\'status\' of pipeline.run-finished is "succeeded" or "failed" or "cancelled", and never "broken"',
  ]);
  assert.deepEqual(issuesOf({ pipeline: { above: 3 } }), [
    "'pipeline' of pipeline.run-finished is a text, and never a number",
  ]);
  assert.deepEqual(issuesOf({ generation: { startsWith: 'x' } }), [
    "'generation' of pipeline.run-finished is a whole number, and never a text",
  ]);
});

test('comparisons that cannot be read are refused', () => {
  for (const where of [{ status: {} }, { status: { like: 'x' } }, { 'a..b': 1 }, { status: { in: [] } }]) {
    assert.equal(whereSpec.safeParse(where).success, false, JSON.stringify(where));
  }
  assert.equal(
    whereSpec.safeParse(Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`f${i}`, 1]))).success,
    false,
  );
});

test('no type of events has data under the names that all events have', () => {
  assert.ok(eventTypes().size >= 10);
  for (const [type, schema] of eventTypes()) {
    for (const name of ['seq', 'time', 'type', 'subject']) {
      assert.equal(Object.hasOwn(schema.properties ?? {}, name), false, `${type}.${name}`);
    }
    const fields = fieldsOf(schema);
    assert.ok(
      fields.every(({ holds }) => holds !== ''),
      type,
    );
    assert.deepEqual(
      fields.slice(-4).map(({ path }) => path),
      ['seq', 'time', 'type', 'subject'],
    );
  }
});
