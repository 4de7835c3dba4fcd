import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Filter, parseFilter, parseOrder, printFilter, RUN_VOCABULARY } from './index.ts';

const parse = (text: string) => parseFilter(text, RUN_VOCABULARY);
const word = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((text) => !text.includes('\0'));
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value));

const comparison: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: fc.constant('metrics'), key: word }),
    operator: fc.constantFrom('=', '!=', '>', '>=', '<', '<=' as const),
    value: number,
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: fc.constantFrom('params', 'tags'), key: word }),
    operator: fc.constantFrom('=', '!=', 'LIKE', 'ILIKE' as const),
    value: word,
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: fc.constantFrom('params', 'tags'), key: word }),
    operator: fc.constantFrom('IS NULL', 'IS NOT NULL' as const),
    value: fc.constant(null),
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ entity: fc.constant('attributes'), key: fc.constantFrom('run_id', 'status') }),
    operator: fc.constantFrom('IN', 'NOT IN' as const),
    value: fc.array(word, { minLength: 1, maxLength: 4 }),
  }),
);

const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('not' as const), of: tie('filter') }),
  ),
}));

/** As plain objects, which the records of fast-check are not. */
const plain = (value: Filter): Filter => structuredClone(value);

test('a filter that is printed and parsed again is the same filter', () => {
  fc.assert(
    fc.property(filter, (printed) => assert.deepEqual(parse(printFilter(printed)), plain(printed))),
    { numRuns: 500 },
  );
});

test('AND binds more tightly than OR, NOT more tightly than both, and words in any case are the same', () => {
  const shape = (text: string): unknown => {
    const of = (part: Filter): unknown =>
      part.kind === 'compare'
        ? part.field.key
        : part.kind === 'not'
          ? ['not', of(part.of)]
          : [part.kind, ...part.of.map(of)];
    return of(parse(text) as Filter);
  };
  assert.deepEqual(shape("params.a = '1' or params.b = '1' and not params.c = '1'"), [
    'or',
    'a',
    ['and', 'b', ['not', 'c']],
  ]);
  assert.deepEqual(shape("(params.a = '1' OR params.b = '1') AND params.c = '1'"), ['and', ['or', 'a', 'b'], 'c']);
});

test('a key is written in every way that MLflow knows', () => {
  const key = (text: string) => (parse(text) as { field: { entity: string; key: string } }).field;
  for (const text of ['metrics.a = 1', 'metric.a = 1', 'metrics.`a` = 1', 'metric."a" = 1']) {
    assert.deepEqual(key(text), { entity: 'metrics', key: 'a' });
  }
  assert.deepEqual(key("tags.mlflow.source.name = 'x'"), { entity: 'tags', key: 'mlflow.source.name' });
  assert.deepEqual(key("params.`a `` b` = 'x'"), { entity: 'params', key: 'a ` b' });
  for (const text of ["status = 'x'", "attributes.status = 'x'", "attr.`status` = 'x'", "run.status = 'x'"]) {
    assert.deepEqual(key(text), { entity: 'attributes', key: 'status' });
  }
  assert.deepEqual(key('"Run Name" = \'x\''), { entity: 'attributes', key: 'run_name' });
  assert.equal(parse('  '), undefined);
});

test('what cannot be read is refused with what was expected and where', () => {
  const refusals: [string, RegExp][] = [
    ["metrics.a > '1'", /expected a number without quotes for 'metrics\.a', found '1' \(position 12\)/],
    ['params.a = 1', /expected a value in quotes for 'params\.a'/],
    ["params.a > '1'", /is not compared with > but with =, !=, LIKE/],
    ["params.a = 'x' params.b", /expected AND, OR or the end, found 'params\.b' \(position 15\)/],
    ["params.a = 'x", /the ' that opens here is not closed \(position 11\)/],
    ["(params.a = 'x'", /expected '\)', found the end/],
    ["nothing.a = 'x'", /names nothing that can be compared; there are metrics, params, tags/],
    ["nothing = 'x'", /'nothing' is not a key of attributes, which has run_id/],
    ["constructor.a = 'x'", /names nothing that can be compared/],
    ["status = 'x'; drop", /';' has no place in it \(position 12\)/],
    ['metrics.a ==  1', /found '='/],
    [`${'('.repeat(60)}metrics.a = 1`, /nested deeper than 50 levels/],
    [`${'NOT '.repeat(60)}metrics.a = 1`, /nested deeper than 50 levels/],
    [Array.from({ length: 201 }, () => 'metrics.a = 1').join(' AND '), /more than 200 comparisons/],
    [`params.a = '${'x'.repeat(100_001)}'`, /longer than 100000 characters/],
    ["params.a = 'a\0b'", /a value with NUL/],
  ];
  for (const [text, message] of refusals) {
    assert.throws(() => parse(text), { code: 'search/invalid-filter', message }, text.slice(0, 60));
  }
});

test('whatever text it is given, the parser answers with a filter or a refusal', () => {
  const piece = fc.constantFrom(
    'metrics',
    '.',
    'a',
    '>',
    '=',
    '1',
    "'x'",
    '(',
    ')',
    ',',
    'AND',
    'NOT',
    ' ',
    'IN',
    '`',
    '"',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join(' ')),
  );
  fc.assert(
    fc.property(text, (asked) => {
      try {
        parse(asked);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'search/invalid-filter');
      }
    }),
    { numRuns: 1_000 },
  );
});

test('an order names a field and a direction, up unless told', () => {
  const order = (text: string) => parseOrder(text, RUN_VOCABULARY);
  assert.deepEqual(order('metrics.`a b` desc'), { field: { entity: 'metrics', key: 'a b' }, descending: true });
  assert.deepEqual(order('created'), { field: { entity: 'attributes', key: 'start_time' }, descending: false });
  for (const text of ['metrics.a SIDEWAYS', 'dataset.name', '', 'metrics.a ASC DESC']) {
    assert.throws(() => order(text), { code: 'search/invalid-order' }, text);
  }
});
