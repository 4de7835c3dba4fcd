import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sql } from 'kysely';
import { regexPatterns, regexTexts } from '#core/regex/arbitrary';
import { parseRegex } from '#core/regex/parse';
import { binaryType, matchesRegex, type SqlStore } from '#ports/sql';

export interface OpenSql {
  readonly store: SqlStore;
  /** Removes what `open` made, and closes the store. */
  close(): Promise<void>;
}

/** Registers the tests that every relational store passes. `open` makes an empty store each time. */
export function sqlConformance(
  name: string,
  open: () => Promise<OpenSql>,
  { skip = false }: { readonly skip?: string | false } = {},
): void {
  const withStore = (test: (store: SqlStore) => Promise<void>) => async (): Promise<void> => {
    const { store, close } = await open();
    try {
      await createAccounts(store);
      await test(store);
    } finally {
      await close();
    }
  };
  describe(`${name} as an SQL store`, { skip }, () => {
    transactionCases(withStore);
    orderCases(withStore);
    valueCases(withStore);
    dialectCases(withStore);
    regexCases(withStore);
  });
}

type WithStore = (test: (store: SqlStore) => Promise<void>) => () => Promise<void>;

async function createAccounts(store: SqlStore): Promise<void> {
  await store.transaction((trx) =>
    trx.schema
      .createTable('account')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('amount', 'bigint')
      .addColumn('share', 'double precision')
      .addColumn('content', binaryType(store.dialect))
      .execute(),
  );
}

/** Rows without the prototype that a driver gives them. */
const plain = (rows: readonly object[]): object[] => rows.map((row) => ({ ...row }));

const amountOf = async (db: SqlStore['reader'], id: string): Promise<unknown> =>
  (await db.selectFrom('account').select('amount').where('id', '=', id).executeTakeFirst())?.['amount'];

function transactionCases(withStore: WithStore): void {
  it(
    'a transaction that resolves is there, one that rejects is not, and its error is handed on',
    withStore(async (store) => {
      const answer = await store.transaction(async (trx) => {
        await trx.insertInto('account').values({ id: 'kept', amount: 1 }).execute();
        return 'done';
      });
      const failed = store.transaction(async (trx) => {
        await trx.insertInto('account').values({ id: 'lost', amount: 1 }).execute();
        throw new RangeError('stop');
      });

      await assert.rejects(failed, new RangeError('stop'));
      assert.equal(answer, 'done');
      assert.deepEqual(plain(await store.reader.selectFrom('account').select('id').execute()), [{ id: 'kept' }]);
    }),
  );

  it(
    'a statement that fails leaves nothing of its transaction, and the store goes on working',
    withStore(async (store) => {
      const twice = store.transaction(async (trx) => {
        await trx.insertInto('account').values({ id: 'a', amount: 1 }).execute();
        await trx.insertInto('account').values({ id: 'a', amount: 2 }).execute();
      });

      await assert.rejects(twice);
      await store.transaction((trx) => trx.insertInto('account').values({ id: 'a', amount: 3 }).execute());
      assert.equal(await amountOf(store.reader, 'a'), 3);
    }),
  );

  it(
    'a transaction sees its own writes',
    withStore(async (store) => {
      const seen = await store.transaction(async (trx) => {
        await trx.insertInto('account').values({ id: 'a', amount: 5 }).execute();
        return amountOf(trx, 'a');
      });

      assert.equal(seen, 5);
    }),
  );

  it(
    'a transaction inside a transaction is refused instead of waiting for itself for ever',
    withStore(async (store) => {
      const nested = store.transaction(() => store.transaction(async () => 'never'));

      await assert.rejects(nested, { name: 'AssertionError', message: /its own open transaction/ });
      assert.equal(await store.transaction(async () => 'works'), 'works');
    }),
  );
}

function orderCases(withStore: WithStore): void {
  it(
    'transactions that read and then write the same row run one after the other',
    withStore(async (store) => {
      await store.transaction((trx) => trx.insertInto('account').values({ id: 'a', amount: 0 }).execute());
      const deposit = () =>
        store.transaction(async (trx) => {
          const before = Number(await amountOf(trx, 'a'));
          await new Promise((resolve) => setImmediate(resolve));
          await trx
            .updateTable('account')
            .set({ amount: before + 1 })
            .where('id', '=', 'a')
            .execute();
        });

      await Promise.all(Array.from({ length: 25 }, deposit));

      assert.equal(await amountOf(store.reader, 'a'), 25);
    }),
  );

  it(
    'of transactions at the same time, one that fails leaves nothing and the others are there',
    withStore(async (store) => {
      const put = (i: number) =>
        store.transaction(async (trx) => {
          await trx
            .insertInto('account')
            .values({ id: `n${i}`, amount: i })
            .execute();
          if (i % 4 === 1) throw new RangeError(`stop ${i}`);
          // The second row of a name is refused by the database.
          if (i % 4 === 3) await trx.insertInto('account').values({ id: 'n0', amount: 0 }).execute();
          return i;
        });

      const settled = await Promise.allSettled(Array.from({ length: 80 }, (_, i) => put(i)));

      const kept = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      const even = Array.from({ length: 40 }, (_, i) => 2 * i);
      assert.deepEqual(kept, even);
      assert.deepEqual((settled[5] as PromiseRejectedResult).reason, new RangeError('stop 5'));
      const rows = await store.reader.selectFrom('account').select('amount').orderBy('amount').execute();
      assert.deepEqual(
        rows.map((row) => row['amount']),
        even,
      );
    }),
  );

  it(
    'transactions at the same time see what those before them wrote, each in the context of its caller',
    withStore(async (store) => {
      const caller = new AsyncLocalStorage<number>();
      const put = (i: number) =>
        caller.run(i, () =>
          store.transaction(async (trx) => {
            const before = await trx
              .selectFrom('account')
              .select((e) => e.fn.countAll().as('n'))
              .executeTakeFirst();
            await trx
              .insertInto('account')
              .values({ id: `n${i}`, amount: i })
              .execute();
            return [Number(before?.['n']), caller.getStore()];
          }),
        );

      const seen = await Promise.all(Array.from({ length: 40 }, (_, i) => put(i)));

      assert.deepEqual(
        seen,
        Array.from({ length: 40 }, (_, i) => [i, i]),
      );
    }),
  );

  it(
    'a statement on a transaction that has ended is refused',
    withStore(async (store) => {
      const escaped: SqlStore['reader'][] = [];
      const first = store.transaction(async (trx) => {
        escaped.push(trx);
      });
      const second = store.transaction(async () => {
        await escaped[0]?.insertInto('account').values({ id: 'stray', amount: 1 }).execute();
      });

      const [, stray] = await Promise.allSettled([first, second]);

      assert.match(String((stray as PromiseRejectedResult).reason), /AssertionError.*has ended/s);
      assert.equal(await amountOf(store.reader, 'stray'), undefined);
    }),
  );

  it(
    'many transactions that wait for each other leave the reader free',
    withStore(async (store) => {
      const seen: unknown[] = [];
      const busy = Array.from({ length: 30 }, (_, i) =>
        store
          .transaction((trx) =>
            trx
              .insertInto('account')
              .values({ id: `n${i}`, amount: i })
              .execute(),
          )
          .then(async () => seen.push(await amountOf(store.reader, `n${i}`))),
      );

      await Promise.all(busy);

      assert.deepEqual(
        seen.map(Number).sort((a, b) => a - b),
        Array.from({ length: 30 }, (_, i) => i),
      );
    }),
  );
}

function valueCases(withStore: WithStore): void {
  it(
    'integers up to 2^53, doubles, texts, bytes and NULL come back as they were',
    withStore(async (store) => {
      const rows = [
        { id: 'ü\u{1F6EB}\n\'"', amount: 2 ** 53 - 1, share: 0.1 + 0.2, content: new Uint8Array([0, 255, 39]) },
        { id: '', amount: -(2 ** 53 - 1), share: 1e-300, content: new Uint8Array(0) },
        { id: 'null', amount: null, share: null, content: null },
      ];

      await store.transaction((trx) => trx.insertInto('account').values(rows).execute());

      const back = await store.reader.selectFrom('account').selectAll().orderBy('id').execute();
      assert.deepEqual(
        back.map((row) => ({ ...row, content: row['content'] && [...row['content']] })),
        rows
          .map((row) => ({ ...row, content: row.content && [...row.content] }))
          .sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))),
      );
      assert.ok(back[0]?.['content'] instanceof Uint8Array);
    }),
  );

  it(
    'counts and sums are numbers',
    withStore(async (store) => {
      const rows = [1, 2, 3].map((amount) => ({ id: `n${amount}`, amount }));
      await store.transaction((trx) => trx.insertInto('account').values(rows).execute());

      const row = await store.reader
        .selectFrom('account')
        .select((e) => [e.fn.countAll().as('n'), e.fn.sum('amount').as('total'), e.fn.max('amount').as('most')])
        .executeTakeFirstOrThrow();

      assert.deepEqual({ ...row }, { n: 3, total: 6, most: 3 });
    }),
  );
}

function dialectCases(withStore: WithStore): void {
  it(
    'onConflict, returning and the number of changed rows work in the one text of a query',
    withStore(async (store) => {
      const put = (amount: number) =>
        store.transaction((trx) =>
          trx
            .insertInto('account')
            .values({ id: 'a', amount })
            .onConflict((c) => c.column('id').doUpdateSet({ amount }).where('account.amount', '<', amount))
            .returning('amount')
            .execute(),
        );

      assert.deepEqual(plain(await put(2)), [{ amount: 2 }]);
      assert.deepEqual(plain(await put(1)), []);
      assert.deepEqual(plain(await put(3)), [{ amount: 3 }]);
      const changed = await store.transaction((trx) =>
        trx.updateTable('account').set({ share: 1 }).where('amount', '>', 2).executeTakeFirstOrThrow(),
      );
      assert.equal(changed.numUpdatedRows, 1n);
    }),
  );
}

/** Texts, expressions, and which of the texts have a match, by their positions. */
const TEXTS = ['', 'abc', 'ABC', 'a\nb', 'ä1_', "it's 5%", '(a+)+$\\', '\u{1f600}x', 'foo bar', 'σς'];
const MATCHES: readonly (readonly [string, readonly number[]])[] = [
  ['', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['^$', [0]],
  ['^a', [1, 3]],
  ['b$', [3]],
  ['(?m)^b', [3]],
  ['(?m:a$)', [3]],
  ['a.b', []],
  ['(?s)a.b', [3]],
  ['(?i)^ABC$', [1, 2]],
  ['^(?i:a)b', [1]],
  ['(?i)Σ{2}', [9]],
  ['[^a-z]', [2, 3, 4, 5, 6, 7, 8, 9]],
  ['[[:digit:]]_|\\d%', [4, 5]],
  ['^\\w+$', [1, 2]],
  ['\\bbar\\b', [8]],
  ['\\Bar', [8]],
  ['\\b1', [4]],
  ['^[😀]', [7]],
  ['^\\x{1F600}(?:x)*$', [7]],
  ['\\(a\\+\\)\\+\\$\\\\', [6]],
  ['(?:a|b|c){3}|(?P<n>\\s)', [1, 3, 5, 8]],
  ['(?:)*(?:|x)+?c{0}o{2,}', [8]],
  ['[^\\d\\D]', []],
];

function regexCases(withStore: WithStore): void {
  it(
    'regular expressions match what they say, alike in each store',
    withStore(async (store) => {
      await store.transaction(async (trx) => {
        const rows = TEXTS.map((text, amount) => ({ id: `t${text}`, amount }));
        await trx.insertInto('account').values(rows).execute();
      });
      const text = sql`substr(id, 2)`;
      for (const [pattern, expected] of MATCHES) {
        const found = await store.reader
          .selectFrom('account')
          .select('amount')
          .where(matchesRegex(store.dialect, text, parseRegex(pattern)))
          .orderBy('amount')
          .execute();
        assert.deepEqual(
          found.map((row) => row['amount']),
          expected,
          pattern,
        );
      }
    }),
  );

  it(
    'expressions made at random find what JavaScript finds by them',
    withStore(async (store) => {
      const texts = fc.array(regexTexts, { minLength: 10, maxLength: 10 });
      const property = fc.asyncProperty(regexPatterns, texts, async (pattern, all) => {
        const regex = parseRegex(pattern);
        const answers = all.map(
          (text) => sql`case when ${matchesRegex(store.dialect, sql`${text}`, regex)}
          then 1 else 0 end`,
        );
        const { rows } = await sql<{ n: number }>`${sql.join(
          answers.map((answer) => sql`select ${answer} as n`),
          sql` union all `,
        )}`.execute(store.reader);
        const expected = all.map((text) => Number(new RegExp(pattern, 'u').test(text)));
        assert.deepEqual(
          rows.map(({ n }) => Number(n)),
          expected,
          pattern,
        );
      });
      await fc.assert(property, { numRuns: 60 });
    }),
  );

  it(
    'expressions that hold up engines which go back in the text do not hold this one up',
    withStore(async (store) => {
      const long = sql`${'a'.repeat(100_000)}`;
      for (const pattern of ['^(a+)+$b', '(a|aa)+b$', '(?:a?){100}a{100}b', '((a*)*)*b', '(.*)(.*)(.*)(.*)b']) {
        const has = matchesRegex(store.dialect, long, parseRegex(pattern));
        const { rows } = await sql<{ n: number }>`select count(*) as n where ${has}`.execute(store.reader);
        assert.equal(Number(rows[0]?.n), 0, pattern);
      }
    }),
  );
}
