import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import type { Context } from '#platform/db';
import { recentEvents } from '#platform/events';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import type { ResourceDraft } from './contract.ts';
import type { ResourceKind } from './resources.ts';

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'resource.apply' };

const shelf = z.strictObject({ size: z.number().int().min(1), label: z.object({ text: z.string() }).optional() });
const book = z.strictObject({ shelf: z.string(), pages: z.number().default(100) });

async function openLibrary(t: TestContext, open: OpenDatabase) {
  const calls: string[] = [];
  const shelves: ResourceKind<z.output<typeof shelf>> = {
    kind: 'shelf',
    schema: shelf,
    async onApply(_tx, { name, generation, spec, previous }) {
      calls.push(`${name} ${generation} ${previous?.size ?? '-'}>${spec.size}`);
      if (spec.size > 100) throw new RangeError('the room is too low');
    },
    onDelete: async (_tx, name) => void calls.push(`${name} deleted`),
  };
  const books: ResourceKind<z.output<typeof book>> = {
    kind: 'book',
    schema: book,
    references: (spec) => [{ kind: 'shelf', name: spec.shelf }],
    async check(_tx, { name, spec }, find) {
      const size = (await find('shelf', spec.shelf))?.spec['size'] as number;
      if (spec.pages > size * 100) throw new RangeError(`${name} does not fit on ${spec.shelf} of ${size}`);
    },
  };
  const database = await open({ kinds: [shelves as ResourceKind, books as ResourceKind] });
  t.after(database.close);
  const apply = (...drafts: readonly ResourceDraft[]) => database.resources.apply(context, drafts);
  const auditRows = async () => (await database.db.reader.selectFrom('audit').select('seq').execute()).length;
  return { ...database, calls, apply, auditRows };
}

const aShelf = (name: string, size = 3, more: object = {}): ResourceDraft => ({
  kind: 'shelf',
  name,
  spec: { size, ...more },
});
const aBook = (name: string, on: string): ResourceDraft => ({ kind: 'book', name, spec: { shelf: on } });

forEachDialect('Resources', [], (open) => {
  test('a declaration is created, changed by the paths that differ, and left alone when it is the same', async (t) => {
    const { apply, resources, calls, auditRows, db } = await openLibrary(t, open);

    assert.deepEqual(await apply(aShelf('low')), [{ kind: 'shelf', name: 'low', change: 'create', fields: [] }]);
    const changed = await apply(aShelf('low', 4, { label: { text: 'novels' } }));
    const again = await apply(aShelf('low', 4, { label: { text: 'novels' } }));

    assert.deepEqual(changed, [{ kind: 'shelf', name: 'low', change: 'change', fields: ['label', 'size'] }]);
    assert.deepEqual(again, [{ kind: 'shelf', name: 'low', change: 'none', fields: [] }]);
    assert.equal((await resources.get('shelf', 'low')).generation, 2);
    assert.deepEqual(calls, ['low 1 ->3', 'low 2 3>4']);
    assert.equal(await auditRows(), 2);
    const events = await recentEvents(db.reader, { subject: 'shelf/low', limit: 10 });
    assert.deepEqual(
      events.map((event) => event.data),
      [
        { change: 'change', generation: 2 },
        { change: 'create', generation: 1 },
      ],
    );
  });

  test('a plan says the same and changes nothing', async (t) => {
    const { resources, apply, auditRows } = await openLibrary(t, open);
    await apply(aShelf('low'));

    const plan = await resources.apply(context, [aBook('novel', 'low'), aShelf('low', 5)], { dryRun: true });

    assert.deepEqual(
      plan.map(({ name, change, fields }) => [name, change, fields]),
      [
        ['low', 'change', ['size']],
        ['novel', 'create', []],
      ],
    );
    assert.equal(await resources.find('book', 'novel'), undefined);
    assert.equal((await resources.get('shelf', 'low')).generation, 1);
    assert.equal(await auditRows(), 1);
  });

  test('defaults are part of the declaration, so leaving them out later is no change', async (t) => {
    const { apply, resources } = await openLibrary(t, open);
    await apply(aShelf('low'), { kind: 'book', name: 'novel', spec: { shelf: 'low', pages: 100 } });

    const [change] = await apply(aBook('novel', 'low'));

    assert.equal(change?.change, 'none');
    assert.deepEqual((await resources.get('book', 'novel')).spec, { shelf: 'low', pages: 100 });
  });

  test('resources are applied in the order of their references, whatever their order in the declaration', async (t) => {
    const { apply } = await openLibrary(t, open);

    const changes = await apply(aBook('novel', 'low'), aBook('poems', 'high'), aShelf('high'), aShelf('low'));

    assert.deepEqual(
      changes.map((change) => change.name),
      ['low', 'novel', 'high', 'poems'],
    );
  });

  test('all of a declaration is applied, or nothing', async (t) => {
    const { apply, resources, auditRows, db } = await openLibrary(t, open);

    await assert.rejects(apply(aShelf('low'), aShelf('huge', 1_000)), /too low/);
    await assert.rejects(apply(aShelf('low'), aBook('novel', 'absent')), {
      code: 'resources/missing-reference',
      message: /book 'novel' refers to shelf 'absent'/,
    });

    assert.deepEqual(await resources.list(), []);
    assert.equal(await auditRows(), 0);
    assert.deepEqual(await recentEvents(db.reader, { limit: 10 }), []);
  });

  test('what refers to a resource is checked when that is applied, together with all that is applied', async (t) => {
    const { apply, resources } = await openLibrary(t, open);
    const thick = { kind: 'book', name: 'atlas', spec: { shelf: 'low', pages: 300 } };

    await assert.rejects(apply(thick, aShelf('low', 2)), /atlas does not fit on low of 2/);
    await apply(thick, aShelf('low', 3), aShelf('high', 9));
    await assert.rejects(apply(aShelf('low', 1), aShelf('high', 8)), /atlas does not fit on low of 1/);
    assert.deepEqual((await resources.get('shelf', 'high')).spec, { size: 9 });
    await apply(aShelf('low', 1), { ...thick, spec: { shelf: 'high', pages: 300 } });

    assert.deepEqual((await resources.get('shelf', 'low')).spec, { size: 1 });
  });

  test('what does not fit is refused by the path of each field, and unknown kinds by name', async (t) => {
    const { apply } = await openLibrary(t, open);

    await assert.rejects(apply(aShelf('ok'), aShelf('low', 0, { label: {}, color: 'red' })), (error: unknown) => {
      const { code, fields } = error as { code: string; fields: { path: string }[] };
      assert.equal(code, 'resources/invalid');
      assert.deepEqual(fields.map((field) => field.path).sort(), [
        'resources.1.spec',
        'resources.1.spec.label.text',
        'resources.1.spec.size',
      ]);
      return true;
    });
    await assert.rejects(apply({ kind: 'lamp', name: 'l', spec: {} }), {
      code: 'resources/unknown-kind',
      message: /'lamp' is not a kind; expected one of shelf, book/,
    });
    await assert.rejects(apply(aShelf('low', 3), aShelf('low', 4)), {
      code: 'resources/invalid',
      message: /declared twice/,
    });
  });

  test('the same declaration applied twice at once is applied once', async (t) => {
    const { apply, resources, auditRows } = await openLibrary(t, open);

    const outcomes = await Promise.all([apply(aShelf('low')), apply(aShelf('low'))]);

    assert.deepEqual(
      outcomes.flat().map((change) => change.change),
      ['create', 'none'],
    );
    assert.equal((await resources.get('shelf', 'low')).generation, 1);
    assert.equal(await auditRows(), 1);
  });

  test('a resource that others refer to cannot be deleted before them', async (t) => {
    const { apply, resources, calls } = await openLibrary(t, open);
    await apply(aShelf('low'), aBook('novel', 'low'));
    const remove = (kind: string, name: string) =>
      resources.remove({ ...context, action: 'resource.delete' }, kind, name);

    await assert.rejects(remove('shelf', 'low'), { code: 'resources/in-use', message: /book 'novel'/ });
    await remove('book', 'novel');
    await remove('shelf', 'low');

    await assert.rejects(remove('shelf', 'low'), { code: 'resources/not-found' });
    assert.equal(calls.at(-1), 'low deleted');
    await apply(aShelf('low'));
    assert.equal((await resources.get('shelf', 'low')).generation, 1);
  });

  test('an observed status is kept beside the declaration and is no change of it', async (t) => {
    const { apply, resources, db, auditRows } = await openLibrary(t, open);
    await apply(aShelf('low'));

    await db.maintain((tx) => resources.setStatus(tx, { kind: 'shelf', name: 'low' }, { books: 2 }));

    const { status, generation } = await resources.get('shelf', 'low');
    assert.deepEqual([status, generation, await auditRows()], [{ books: 2 }, 1, 1]);
    assert.deepEqual((await apply(aShelf('low')))[0]?.change, 'none');
    assert.deepEqual((await resources.get('shelf', 'low')).status, { books: 2 });
  });
});
