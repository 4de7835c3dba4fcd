import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openSqlite } from '#adapters/sql/sqlite';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { applyMigrations, Database, type Migration, platformMigrations } from '#platform/db';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { type Consumer, type PlatformEvent, Relay, type RelayOptions } from './relay.ts';
import { cursorOf } from './store.ts';

const migration: Migration = {
  name: 'test/001-seen',
  async up(db) {
    const seen = db.schema.createTable('seen').addColumn('consumer', 'text').addColumn('seq', 'bigint');
    await seen.addColumn('place', 'bigint').execute();
  },
};

type Opened = Pick<TestDatabase, 'db' | 'system' | 'clock'>;

let places = 0;

/** A consumer that writes down what it handles, and fails where it is told to. */
function recording(
  name: string,
  { types = ['a'], failAt = () => false as boolean }: Partial<RecordingOptions> = {},
): Consumer {
  return {
    name,
    types,
    async handle(tx, event) {
      await tx.db.insertInto('seen').values({ consumer: name, seq: event.seq, place: places++ }).execute();
      if (failAt(event)) throw new Error('not now');
    },
  };
}

interface RecordingOptions {
  readonly types: readonly string[];
  readonly failAt: (event: PlatformEvent) => boolean;
}

function relayOf(
  t: TestContext,
  { db, system }: Opened,
  consumers: readonly Consumer[],
  more: Partial<RelayOptions> = {},
) {
  const failures: string[] = [];
  const onError: RelayOptions['onError'] = (consumer, event) => void failures.push(`${consumer} ${event.seq}`);
  const relay = new Relay({ db, system, consumers, onError, ...more });
  t.after(() => relay.stop());
  return { relay, failures };
}

const emit = ({ db }: Pick<Opened, 'db'>, ...types: readonly string[]) =>
  db.maintain(async (tx) => types.forEach((type) => void tx.emit({ type, subject: 'x', data: null })));

/** Moves time on in small steps until `done`, for at most ten minutes of it. */
async function until({ clock }: Pick<Opened, 'clock'>, done: () => Promise<boolean> | boolean): Promise<void> {
  for (let step = 0; step < 6_000; step++) {
    if (await done()) return;
    await clock.advance(100);
  }
  assert.fail('it did not happen');
}

const seenBy = async ({ db }: Pick<Opened, 'db'>, consumer: string): Promise<number[]> => {
  const seen = db.reader.selectFrom('seen').select('seq').where('consumer', '=', consumer);
  // Rows of several connections lie in a table in any order.
  const rows = await seen.orderBy('place').execute();
  return rows.map((row) => row['seq']);
};

forEachDialect('The relay', [migration], (open) => {
  test('each consumer gets its types in order, once, also what was committed before it started', async (t) => {
    const database = await open();
    t.after(database.close);
    await emit(database, 'a', 'b', 'a');
    const { relay } = relayOf(t, database, [recording('one'), recording('both', { types: ['a', 'b'] })]);

    relay.start();
    await emit(database, ...Array.from({ length: 450 }, (_, i) => (i % 3 === 0 ? 'a' : 'b')), 'c');
    await until(database, () => relay.caughtUp());

    const all = Array.from({ length: 453 }, (_, i) => i + 1);
    assert.deepEqual(await seenBy(database, 'both'), all);
    assert.deepEqual(
      await seenBy(database, 'one'),
      all.filter((seq) => seq === 1 || seq === 3 || (seq > 3 && (seq - 4) % 3 === 0)),
    );
    await relay.stop();
    assert.equal(await cursorOf(database.db.reader, 'one'), 454);
  });

  test('handle that fails after its writes leaves none, is tried again, and writes once', async (t) => {
    const database = await open();
    t.after(database.close);
    let attempts = 0;
    const failAt = (event: PlatformEvent) => event.seq === 2 && ++attempts < 4;
    const { relay, failures } = relayOf(t, database, [recording('shaky', { failAt })]);

    relay.start();
    await emit(database, 'a', 'a', 'a');
    await until(database, () => relay.caughtUp());

    assert.deepEqual(await seenBy(database, 'shaky'), [1, 2, 3]);
    assert.deepEqual(failures, ['shaky 2', 'shaky 2', 'shaky 2']);
    await relay.stop();
  });

  test('an effect runs again until the event is done with, before the next event', async (t) => {
    const database = await open();
    t.after(database.close);
    const done: number[] = [];
    let attempts = 0;
    const consumer: Consumer = {
      name: 'outside',
      types: ['a'],
      async effect(event) {
        done.push(event.seq);
        if (event.seq === 1 && ++attempts < 3) throw new Error('not reachable');
      },
    };
    const { relay } = relayOf(t, database, [consumer]);

    relay.start();
    await emit(database, 'a', 'a');
    await until(database, () => relay.caughtUp());

    assert.deepEqual(done, [1, 1, 1, 2]);
    await relay.stop();
  });

  test('it has not caught up as long as what is handled brings further events', async (t) => {
    const database = await open();
    t.after(database.close);
    const LAST = 60;
    const domino: Consumer = {
      name: 'domino',
      types: ['a'],
      action: 'test.domino',
      async handle(tx, { seq }) {
        if (seq < LAST) tx.emit({ type: 'a', subject: 'x', data: null });
        await tx.db.insertInto('seen').values({ consumer: 'domino', seq, place: places++ }).execute();
      },
    };
    const { relay } = relayOf(t, database, [domino]);

    relay.start();
    await emit(database, 'a');
    // Asked all the time, so that some of the questions begin just before a commit and end after it.
    const asked = Array.from({ length: 8 }, async () => {
      while (!(await relay.caughtUp())) await setImmediate();
      return (await seenBy(database, 'domino')).length;
    });
    assert.deepEqual(await Promise.all(asked), Array(8).fill(LAST));
    await relay.stop();
  });

  test('a consumer that fails for ever holds up only itself', async (t) => {
    const database = await open();
    t.after(database.close);
    const { relay, failures } = relayOf(t, database, [recording('stuck', { failAt: () => true }), recording('well')]);

    relay.start();
    await emit(database, 'a', 'a', 'a');
    await until(database, async () => (await seenBy(database, 'well')).length === 3 && failures.length > 5);

    assert.deepEqual(await seenBy(database, 'stuck'), []);
    assert.ok(failures.every((failure) => failure === 'stuck 1'));
    assert.equal(await relay.caughtUp(), false);
    await relay.stop();
  });

  test('a relay that starts anew goes on behind the cursor', async (t) => {
    const database = await open();
    t.after(database.close);
    await emit(database, 'a', 'a');
    const first = relayOf(t, database, [recording('kept')]).relay;
    first.start();
    await until(database, () => first.caughtUp());
    await first.stop();
    await emit(database, 'a');

    const second = relayOf(t, database, [recording('kept')]).relay;
    second.start();
    await until(database, () => second.caughtUp());

    assert.deepEqual(await seenBy(database, 'kept'), [1, 2, 3]);
    await second.stop();
  });

  test('two relays at once deliver each event to handle once', async (t) => {
    const database = await open();
    t.after(database.close);
    await emit(database, ...Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 'a' : 'b')));
    const relays = [1, 2].map(() => relayOf(t, database, [recording('shared')]).relay);

    for (const relay of relays) relay.start();
    await until(database, async () => (await relays[0]?.caughtUp()) === true && (await relays[1]?.caughtUp()) === true);

    assert.deepEqual(
      await seenBy(database, 'shared'),
      Array.from({ length: 30 }, (_, i) => 2 * i + 1),
    );
    for (const relay of relays) await relay.stop();
  });

  test('what handle changes is audited under the name of its consumer', async (t) => {
    const database = await open();
    t.after(database.close);
    const consumer: Consumer = {
      name: 'rules',
      types: ['a'],
      action: 'rule.decide',
      handle: async (tx) => tx.audit('rule/x'),
    };
    const { relay } = relayOf(t, database, [consumer]);

    relay.start();
    await emit(database, 'a');
    await until(database, () => relay.caughtUp());

    const row = await database.db.reader.selectFrom('audit').selectAll().executeTakeFirstOrThrow();
    assert.deepEqual([row['actor'], row['action']], ['system:rules', 'rule.decide']);
    await relay.stop();
  });
});

/** Two connections to one file, as two processes have them: neither hears of the other's commits. */
async function openTwice(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-relay-'));
  const clock = new ManualClock();
  const system = { clock, ids: sequenceIds(), random: seededRandom(1) };
  const stores = [1, 2].map(() => openSqlite(join(root, 'kedge.sqlite')));
  const [mine, theirs] = stores as [(typeof stores)[0], (typeof stores)[0]];
  await applyMigrations(mine, [...platformMigrations, migration]);
  t.after(async () => {
    for (const store of stores) await store.close();
    rmSync(root, { recursive: true });
  });
  return { mine: { db: new Database(mine, system), system, clock }, theirs: { db: new Database(theirs, system) } };
}

test('events that another process commits are noticed within a poll, and not before', async (t) => {
  const { mine, theirs } = await openTwice(t);
  const { relay } = relayOf(t, mine, [recording('far')], { pollMs: 5_000 });
  relay.start();
  await mine.clock.advance(100);
  await emit(theirs, 'a');

  await mine.clock.advance(4_000);
  assert.deepEqual(await seenBy(mine, 'far'), []);
  await mine.clock.advance(1_000);
  await until(mine, () => relay.caughtUp());

  assert.deepEqual(await seenBy(mine, 'far'), [1]);
  await relay.stop();
});

test('events that cannot be read for a while are delivered afterwards', async (t) => {
  const { mine } = await openTwice(t);
  const unreadable: string[] = [];
  const { relay } = relayOf(t, mine, [recording('patient')], { onUnreadable: (name) => void unreadable.push(name) });
  await mine.db.maintain((tx) => tx.db.schema.alterTable('event').renameTo('gone').execute());

  relay.start();
  await until(mine, () => unreadable.length > 2);
  await mine.db.maintain((tx) => tx.db.schema.alterTable('gone').renameTo('event').execute());
  await emit(mine, 'a');
  await until(mine, () => relay.caughtUp());

  assert.deepEqual(await seenBy(mine, 'patient'), [1]);
  await relay.stop();
});
