import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '#core/hash';
import { featurePlanSchema, type RoutedEndpoint } from '../../../routing.ts';
import { liveEndpoint } from '../../live-endpoint.ts';
import { type Instance, type Row, readInstance, readRow } from '../../read-instance.ts';
import { endpointOf } from '../../testing/gateway-harness.ts';
import { JsonCursor } from './json-cursor.ts';
import { type PlainBody, plainBodyOf } from './plain-body.ts';
import { changedBody, decimal } from './testing/changed-body.ts';

const kinds = { a: 'numeric', 'from city': 'category', b: 'numeric', c: 'numeric', to: 'category' } as const;
const arm = (names: readonly string[] = Object.keys(kinds)) => ({
  ...{ revision: 'm@1', model: 'm', version: 1, digest: digestOf('1') },
  signature: {
    inputs: names.map((name) => ({ name, kind: (kinds as Record<string, 'numeric' | 'category'>)[name] ?? 'numeric' })),
    output: 'value' as const,
  },
});
const live = (more: Partial<RoutedEndpoint> = {}, names?: readonly string[]) =>
  liveEndpoint(endpointOf('e', arm(names), more), 0);

function plainBody(): PlainBody {
  const found = plainBodyOf(live());
  assert.ok(found);
  return found;
}

/** As a body is read that is parsed first; undefined for one that is refused. */
function readParsed(body: Buffer): { readonly id: string | undefined; readonly row: Row } | undefined {
  try {
    const instance = readInstance(JSON.parse(body.toString()), '');
    return { id: instance.id, row: readRow(live().current, instance, { features: undefined, path: '' }) };
  } catch {
    return undefined;
  }
}

const told = ({ id, row }: Instance) => ({ id, row });

const plainText = fc.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]{0,12}$/);
const plainValues = {
  numeric: fc.oneof(decimal, fc.constant('null'), fc.integer().map(String)),
  category: fc.oneof(
    plainText.map((text) => JSON.stringify(text)),
    fc.constant('null'),
  ),
};
const mostly = (plain: fc.Arbitrary<string>, ...others: fc.Arbitrary<string>[]) =>
  fc.oneof({ weight: 12, arbitrary: plain }, ...others.map((arbitrary) => ({ weight: 1, arbitrary })));
const anyValues = {
  numeric: mostly(
    plainValues.numeric,
    fc.double().map((value) => JSON.stringify(value)),
    fc.json(),
  ),
  category: mostly(
    plainValues.category,
    fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
    fc.json(),
  ),
};
const space = fc.constantFrom('', ' ', '\n\t', '\r');

/** Bodies of one client: the names in its order, its white space, and several sets of values. */
function bodies(values: typeof plainValues): fc.Arbitrary<readonly Buffer[]> {
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const set = fc.record({
    id: fc.option(fc.stringMatching(/^[\w.:-]{1,30}$/), { nil: undefined }),
    inputs: fc.tuple(...names.map((name) => values[kinds[name]])),
  });
  return fc
    .tuple(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), space, fc.array(set, { minLength: 2, maxLength: 5 }))
    .map(([order, gap, sets]) =>
      sets.map(({ id, inputs }) => {
        const pairs = order.map((i) => `${JSON.stringify(names[i])}${gap}:${gap}${inputs[i]}`);
        const head = id === undefined ? '' : `"id"${gap}:${gap}${JSON.stringify(id)}${gap},${gap}`;
        return Buffer.from(`${gap}{${head}"inputs"${gap}:${gap}{${pairs.join(`${gap},${gap}`)}${gap}}${gap}}${gap}`);
      }),
    );
}

function learnt(first: Buffer): PlainBody {
  const reader = plainBody();
  assert.equal(reader.read(first), undefined);
  reader.learn((JSON.parse(first.toString()) as { inputs: unknown }).inputs);
  return reader;
}

describe('bodies as a client wrote one before', () => {
  test('are read as they are parsed, whatever its order and white space', () => {
    fc.assert(
      fc.property(bodies(plainValues), ([first, ...others]) => {
        const reader = learnt(first as Buffer);
        for (const body of others) {
          const read = reader.read(body);
          assert.ok(read, body.toString());
          assert.deepEqual(told(read), readParsed(body));
        }
      }),
    );
  });

  test('are read as they are parsed or not at all, whatever their values', () => {
    let reads = 0;
    fc.assert(
      fc.property(bodies(anyValues), (all) => {
        for (const body of all) {
          const read = learnt(all[0] as Buffer).read(body);
          if (read) assert.deepEqual(told(read), readParsed(body));
          if (read) reads += 1;
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(reads > 100, `${reads}`);
  });

  test('are read as they are parsed or not at all when any byte of them is another, missing or too many', () => {
    const both = bodies(plainValues).chain(([first, second]) =>
      changedBody(fc.constant(second as Buffer)).map((changed) => ({ first: first as Buffer, changed })),
    );
    fc.assert(
      fc.property(both, ({ first, changed }) => {
        const read = learnt(first).read(changed);
        if (read) assert.deepEqual(told(read), readParsed(changed));
      }),
      { numRuns: 3_000 },
    );
  });

  test('that come otherwise are tried ever less often, and again when they come as before', () => {
    const text = (c: string) => Buffer.from(`{"inputs":{"a":1,"from city":"x","b":2,"c":${c},"to":"y"}}`);
    const reader = learnt(text('3'));
    let tries = 0;
    for (let i = 0; i < 5_000; i++) if (reader.read(text(i % 100 === 0 ? '3' : '1e3'))) tries += 1;
    assert.ok(tries > 0);
    const long = text('0.12345678901234567');
    for (let i = 0; i < 5_000; i++) assert.equal(reader.read(long), undefined);
    const backAfter = Array.from({ length: 1_100 }, () => reader.read(text('4'))).findIndex(Boolean);
    assert.ok(backAfter > 0 && backAfter <= 1_024, `${backAfter}`);
    assert.ok(reader.read(text('5')));
  });

  test('are learnt only whole', () => {
    const reader = plainBody();
    for (const inputs of [null, 1, {}, { a: 1, 'from city': 'x', b: 2, c: 3 }]) reader.learn(inputs);
    reader.learn({ a: 1, 'from city': 'x', b: 2, c: 3, to: 'y', more: 1 });
    assert.equal(reader.read(Buffer.from('{"inputs":{}}')), undefined);
    assert.equal(reader.read(Buffer.from('{"inputs":{"a":1,"from city":"x","b":2,"c":3}}')), undefined);
  });
});

test('only endpoints of one revision that takes all from the request have their bodies read so', () => {
  const features = featurePlanSchema.parse({ views: [{ name: 'v', keys: ['k'], features: [{ name: 'a' }] }] });
  const candidate = { ...arm(), weight: 10, shadow: false };
  assert.ok(plainBodyOf(live()));
  assert.equal(plainBodyOf(live({ candidate, rollout: 'roll_1' })), undefined);
  assert.equal(plainBodyOf(live({ features })), undefined);
  assert.equal(plainBodyOf(live({}, [])), undefined);
});

test('numbers are those that JSON has, to the last bit, or are not read', () => {
  const cursor = new JsonCursor();
  const number = (text: string): number | undefined =>
    cursor.over(Buffer.from(text), () => {
      const value = cursor.number();
      return cursor.isAtEnd ? value : undefined;
    });
  const parsed = (text: string): unknown => {
    try {
      return JSON.parse(text) ?? Number.NaN;
    } catch {
      return undefined;
    }
  };
  const written = fc.stringMatching(/^-?\d{0,18}(\.\d{0,24})?([eE][+-]?\d{1,2})?$/);
  // Of which the sum of the digits is exact, or just not.
  const nearLimit = fc.tuple(fc.integer({ min: -200, max: 200 }), fc.nat({ max: 16 })).map(([by, dot]) =>
    String(2n ** 53n + BigInt(by))
      .replace(new RegExp(`(\\d{${dot}})$`), '.$1')
      .replace(/\.$/, ''),
  );
  let read = 0;
  fc.assert(
    fc.property(fc.oneof(written, decimal, nearLimit, fc.double().map(String)), (text) => {
      const value = number(text);
      if (value === undefined) return;
      read += 1;
      assert.ok(Object.is(value, parsed(text)), `${text}: ${value}`);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(read > 5_000, `${read}`);
  for (const text of ['0', '-0', '0.1', '9007199254740991', '0.0000000000000000000001', '-12.50', 'null']) {
    assert.ok(Object.is(number(text), parsed(text)), text);
  }
  for (const text of ['', '-', '01', '-01', '.5', '1.', '1e3', '-null', '9007199254740993', 'nul', '0x1', '+1']) {
    assert.equal(number(text), undefined, text);
  }
});
