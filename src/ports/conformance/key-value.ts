import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  KEY_BYTES_MAX,
  type KeyValue,
  keyValueErrors,
  VALUE_BYTES_MAX,
} from '#ports/key-value';

export interface OpenKeyValue {
  readonly store: KeyValue;
  /** Releases what `open` made, also if the store was closed already. */
  close(): Promise<void>;
}

/** Registers the tests that every key-value store passes. `open` makes an empty store each time. */
export function keyValueConformance(name: string, open: () => Promise<OpenKeyValue>): void {
  const withStore = (test: (store: KeyValue) => Promise<void>) => async (): Promise<void> => {
    const { store, close } = await open();
    try {
      await test(store);
    } finally {
      await close();
    }
  };
  describe(`${name} as a key-value store`, () => {
    modelCases(withStore);
    valueCases(withStore);
    limitCases(withStore);
  });
}

type WithStore = (test: (store: KeyValue) => Promise<void>) => () => Promise<void>;

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

/** Few letters and a tight length, so that keys collide and one is often the prefix of another. */
const key = fc.string({
  unit: fc.constantFrom('a', 'b', '/', 'ä', '\u{1F600}', '\0', '\uFFFD'),
  minLength: 1,
  maxLength: 4,
});
const value = fc.uint8Array({ maxLength: 40 });
const operation = fc.oneof(
  fc.record({ put: fc.array(fc.record({ key, value }), { maxLength: 6 }) }),
  fc.record({ delete: fc.array(key, { maxLength: 4 }) }),
  fc.record({ get: fc.array(key, { maxLength: 4 }) }),
  fc.record({
    range: fc.record(
      { prefix: fc.oneof(fc.constant(''), key), after: key, limit: fc.integer({ min: 1, max: 5 }) },
      { requiredKeys: ['prefix', 'limit'] },
    ),
  }),
);

function modelCases(withStore: WithStore): void {
  it(
    'behaves like a map whose keys sort by their UTF-8 bytes',
    withStore(async (store) => {
      const model = new Map<string, Buffer>();
      const property = fc.asyncProperty(fc.array(operation, { maxLength: 20 }), async (operations) => {
        for (const step of operations) await compare(store, model, step);
      });
      await fc.assert(property, { numRuns: 60 });
      assert.ok(model.size > 0);
    }),
  );

  it(
    'pages through every key of a prefix once',
    withStore(async (store) => {
      const keys = Array.from({ length: 250 }, (_, i) => `user/${String(i).padStart(4, '0')}`);
      await store.putMany([...keys, 'user', 'usez', 'use'].map((key) => ({ key, value: bytes(key) })));
      const seen: string[] = [];
      for (;;) {
        const after = seen.at(-1);
        const page = await store.range({ prefix: 'user/', limit: 60, ...(after !== undefined && { after }) });
        seen.push(...page.map((entry) => entry.key));
        if (page.length < 60) break;
      }
      assert.deepEqual(seen, keys);
    }),
  );
}

async function compare(
  store: KeyValue,
  model: Map<string, Buffer>,
  step: typeof operation extends fc.Arbitrary<infer Step> ? Step : never,
): Promise<void> {
  if ('put' in step) {
    await store.putMany(step.put);
    for (const entry of step.put) model.set(entry.key, Buffer.from(entry.value));
  } else if ('delete' in step) {
    await store.deleteMany(step.delete);
    for (const each of step.delete) model.delete(each);
  } else if ('get' in step) {
    const expected = step.get.map((each) => model.get(each));
    assert.deepEqual((await store.getMany(step.get)).map(asBuffer), expected);
    if (store.getManySync) assert.deepEqual(store.getManySync(step.get).map(asBuffer), expected);
    if (step.get[0]) assert.deepEqual(asBuffer(await store.get(step.get[0])), expected[0]);
  } else {
    const { prefix, after, limit } = step.range;
    const query = { prefix, limit, ...(after !== undefined && { after }) };
    const found = (await store.range(query)).map((entry) => ({ key: entry.key, value: asBuffer(entry.value) }));
    const expected = [...model]
      .filter(([each]) => each.startsWith(prefix) && (after === undefined || byBytes(each, after) > 0))
      .sort(([a], [b]) => byBytes(a, b))
      .map(([key, value]) => ({ key, value }));
    assert.deepEqual(found, expected.slice(0, limit));
  }
}

function valueCases(withStore: WithStore): void {
  it(
    'keeps empty values and values of the largest size',
    withStore(async (store) => {
      const large = Buffer.alloc(VALUE_BYTES_MAX, 'large');
      const longKey = 'k'.repeat(KEY_BYTES_MAX);
      await store.putMany([
        { key: 'empty', value: new Uint8Array() },
        { key: longKey, value: large },
      ]);
      assert.equal((await store.get('empty'))?.length, 0);
      assert.ok(large.equals((await store.get(longKey)) ?? bytes('absent')));
    }),
  );

  it(
    'neither follows changes to what was given nor passes on changes to what was returned',
    withStore(async (store) => {
      const given = bytes('given');
      const write = store.putMany([{ key: 'a', value: given }]);
      given.fill('!');
      await write;
      const [returned] = await store.getMany(['a']);
      await store.putMany([{ key: 'b', value: bytes('other') }]);
      const [second] = await store.getMany(['b']);
      assert.deepEqual(asBuffer(returned), bytes('given'));
      returned?.fill(0);
      assert.deepEqual(asBuffer(second), bytes('other'));
      assert.deepEqual(asBuffer(await store.get('a')), bytes('given'));
    }),
  );

  it(
    'never shows half of a write',
    withStore(async (store) => {
      const keys = Array.from({ length: 50 }, (_, i) => `row/${i}`);
      const write = (round: number): Promise<void> =>
        store.putMany(keys.map((key) => ({ key, value: bytes(String(round)) })));
      await write(0);
      for (let round = 1; round <= 30; round++) {
        const writing = write(round);
        const rounds = new Set((await store.getMany(keys)).map((value) => String(asBuffer(value))));
        assert.equal(rounds.size, 1);
        await writing;
        assert.deepEqual(asBuffer(await store.get('row/0')), bytes(String(round)));
      }
    }),
  );

  it(
    'refuses everything once it is closed, and may be closed twice',
    withStore(async (store) => {
      const lastWrite = store.putMany([{ key: 'a', value: bytes('x') }]);
      await store.close();
      await store.close();
      await lastWrite;
      const closed = { code: keyValueErrors.closed.code };
      await assert.rejects(store.get('a'), closed);
      await assert.rejects(store.getMany(['a']), closed);
      await assert.rejects(store.putMany([]), closed);
      await assert.rejects(store.deleteMany(['a']), closed);
      await assert.rejects(store.range({ prefix: '', limit: 1 }), closed);
    }),
  );
}

function limitCases(withStore: WithStore): void {
  it(
    'refuses keys that are empty, too long or not well-formed, and stores nothing of that write',
    withStore(async (store) => {
      const invalid = { code: keyValueErrors['invalid-key'].code };
      for (const bad of ['', 'k'.repeat(KEY_BYTES_MAX + 1), 'ä'.repeat(KEY_BYTES_MAX / 2 + 1), 'a\ud800']) {
        const entries = [
          { key: 'good', value: bytes('x') },
          { key: bad, value: bytes('y') },
        ];
        await assert.rejects(store.putMany(entries), invalid);
        await assert.rejects(store.get(bad), invalid);
        await assert.rejects(store.deleteMany(['good', bad]), invalid);
      }
      assert.equal(await store.get('good'), undefined);
      await store.putMany([{ key: 'good', value: bytes('x') }]);
      assert.deepEqual(asBuffer(await store.get('good')), bytes('x'));
    }),
  );

  it(
    'refuses values, batches and pages past their limits',
    withStore(async (store) => {
      const tooLarge = { code: keyValueErrors['too-large'].code };
      const big = new Uint8Array(VALUE_BYTES_MAX + 1);
      await assert.rejects(store.putMany([{ key: 'a', value: big }]), tooLarge);
      const share = big.subarray(1);
      const count = BATCH_BYTES_MAX / VALUE_BYTES_MAX + 1;
      const entries = Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: share }));
      await assert.rejects(store.putMany(entries), tooLarge);
      const keys = Array.from({ length: BATCH_ENTRIES_MAX + 1 }, (_, i) => `k${i}`);
      await assert.rejects(store.getMany(keys), tooLarge);
      await assert.rejects(store.deleteMany(keys), tooLarge);
      const invalid = { code: keyValueErrors['invalid-range'].code };
      for (const limit of [0, -1, 1.5, BATCH_ENTRIES_MAX + 1]) {
        await assert.rejects(store.range({ prefix: '', limit }), invalid);
      }
      assert.deepEqual(await store.range({ prefix: '', limit: 1 }), []);
    }),
  );
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(bytes(a), bytes(b));
}

function asBuffer(value: Uint8Array | undefined): Buffer | undefined {
  return value && Buffer.from(value);
}
