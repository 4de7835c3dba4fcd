import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AuditLog } from '#platform/audit';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../../../index.ts';
import { serveMlflow } from '../testing.ts';

const ROOT = '/api/3.0/mlflow';

forEachDialect('MLflow evaluation', trackingMigrations, (openDb) => {
  async function serve(t: TestContext) {
    const server = await serveMlflow(t, openDb, { role: 'admin' });
    const call = (method: string, path: string, body?: object, project?: string) =>
      server.send(method, `${ROOT}/${path}`, {
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(project === undefined ? {} : { project }),
      });
    const done = async (...asked: Parameters<typeof call>) => {
      const { status, body } = await call(...asked);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    };
    const create = async (more: object = {}): Promise<string> => {
      const { dataset } = await done('POST', 'datasets/create', { name: 'd', ...more });
      return (dataset as { dataset_id: string }).dataset_id;
    };
    const put = async (id: string, records: readonly object[]) =>
      done('POST', `datasets/${id}/records`, { records: JSON.stringify(records) });
    const records = async (id: string, query = '') => {
      const body = await done('GET', `datasets/${id}/records${query}`);
      const items = JSON.parse(String(body['records'])) as Record<string, unknown>[];
      return { items, next: body['next_page_token'] as string | undefined };
    };
    return { ...server, call, done, create, put, records };
  }

  test('a record is known by its inputs: the same again, in any order of keys, adds to it', async (t) => {
    const { create, put, records, done } = await serve(t);
    const id = await create();
    const first = { inputs: { a: 1, b: [{ c: null, d: 2 }] }, expectations: { x: 1 }, outputs: 'o' };
    assert.deepEqual(await put(id, [first, { inputs: {} }]), { inserted_count: 2, updated_count: 0 });
    const again = {
      inputs: { b: [{ d: 2, c: null }], a: 1 },
      expectations: { y: null },
      tags: { t: 1, 'mlflow.user': 'ann' },
    };
    assert.deepEqual(await put(id, [again, again]), { inserted_count: 0, updated_count: 2 });
    await put(id, [{ inputs: { a: 1, b: [{ c: null, d: 2 }] }, outputs: null }]);
    const { items } = await records(id);
    assert.equal(items.length, 2);
    assert.deepEqual(items[0]?.['inputs'], first.inputs);
    assert.deepEqual(items[0]?.['expectations'], { x: 1, y: null });
    assert.deepEqual([items[0]?.['outputs'], items[0]?.['tags']], [null, { t: '1', 'mlflow.user': 'ann' }]);
    assert.equal(items[0]?.['last_updated_by'], 'ann');
    const { dataset } = await done('GET', `datasets/${id}`);
    const { schema, profile } = dataset as { schema: string; profile: string };
    assert.deepEqual(JSON.parse(profile), { num_records: 2 });
    assert.deepEqual(JSON.parse(schema).inputs, { a: 'integer', b: 'array' });
  });

  test('records come by pages in the order in which they came, also around deleted ones', async (t) => {
    const { create, put, records, done, call } = await serve(t);
    const id = await create();
    await put(
      id,
      Array.from({ length: 7 }, (_, n) => ({ inputs: { n } })),
    );
    const { items } = await records(id);
    const gone = [items[2]?.['dataset_record_id'], 'dr-none'];
    assert.deepEqual(await done('DELETE', `datasets/${id}/records`, { dataset_record_ids: gone }), {
      deleted_count: 1,
    });
    const seen: unknown[] = [];
    let token: string | undefined;
    do {
      const page = await records(id, `?max_results=2${token === undefined ? '' : `&page_token=${token}`}`);
      seen.push(page.items.map((item) => (item['inputs'] as { n: number }).n));
      token = page.next;
    } while (token !== undefined);
    assert.deepEqual(seen, [
      [0, 1],
      [3, 4],
      [5, 6],
    ]);
    const other = await create();
    await put(other, [{ inputs: { n: 1 } }, { inputs: { n: 2 } }]);
    const { next } = await records(other, '?max_results=1');
    assert.equal((await call('GET', `datasets/${id}/records?page_token=${next}`)).status, 400);
  });

  test('what is changed is audited, and what is deleted or of another project is not there', async (t) => {
    const { create, put, call, done, db } = await serve(t);
    const id = await create({ experiment_ids: ['0'], tags: '{"a":"1"}' });
    await put(id, [{ inputs: { n: 1 } }]);
    await done('PATCH', `datasets/${id}/tags`, { tags: '{"a":"2"}' });
    assert.equal((await call('GET', `datasets/${id}`, undefined, 'risk')).status, 404);
    assert.equal((await call('DELETE', `datasets/${id}`, undefined, 'risk')).status, 404);
    assert.deepEqual((await done('POST', 'datasets/search', {}, 'risk'))['datasets'], []);
    await done('DELETE', `datasets/${id}`);
    for (const [method, path, body] of [
      ['GET', `datasets/${id}`, undefined],
      ['GET', `datasets/${id}/records`, undefined],
      ['DELETE', `datasets/${id}`, undefined],
      ['POST', `datasets/${id}/records`, { records: '[]' }],
    ] as const) {
      assert.equal((await call(method, path, body)).status, 404, `${method} ${path}`);
    }
    const acts = await new AuditLog(db.reader).search({ subject: `evaluation-dataset/${id}`, limit: 10 });
    const expected = ['create', 'upsert-records', 'set-tags', 'delete'].map((act) => `evaluation-dataset.${act}`);
    assert.deepEqual(acts.map(({ action }) => action).reverse(), expected);
  });

  test('the versions of a scorer go on after deleted ones, and code of their own is refused', async (t) => {
    const { call, done } = await serve(t);
    const of = { experiment_id: '0', name: 'kind' };
    const register = (content: string) => done('POST', 'scorers/register', { ...of, serialized_scorer: content });
    assert.equal((await register('{"v":1}'))['version'], 1);
    assert.equal((await register('{"v":2}'))['version'], 2);
    await done('DELETE', 'scorers/delete', { ...of, version: 2 });
    assert.equal((await call('DELETE', 'scorers/delete', { ...of, version: 2 })).status, 404);
    assert.equal((await register('{"v":3}'))['version'], 3);
    const query = new URLSearchParams(of);
    const { scorers } = await done('GET', `scorers/versions?${query}`);
    const versions = (scorers as { scorer_version: number }[]).map(({ scorer_version }) => scorer_version);
    assert.deepEqual(versions, [1, 3]);
    const { scorer } = await done('GET', `scorers/get?${query}&version=1`);
    assert.equal((scorer as { serialized_scorer: string }).serialized_scorer, '{"v":1}');
    await done('DELETE', 'scorers/delete', of);
    assert.equal((await call('GET', `scorers/get?${query}`)).status, 404);
    const nested = `{"judges":[{"call_source":"import os"}]}`;
    for (const serialized_scorer of [nested, 'no json', `${'['.repeat(60)}${']'.repeat(60)}`]) {
      assert.equal((await call('POST', 'scorers/register', { ...of, serialized_scorer })).status, 400);
    }
  });

  test('what is wrong with a request is told of, and never breaks it', async (t) => {
    const { create, call } = await serve(t);
    const id = await create();
    const deep = `[{"inputs":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}]`;
    const large = JSON.stringify([{ inputs: { a: 'x'.repeat(1_100_000) } }]);
    for (const [path, body, status] of [
      ['datasets/create', {}, 400],
      ['datasets/create', { name: 'x', tags: '[1]' }, 400],
      ['datasets/create', { name: 'x', tags: '{"a":{}}' }, 400],
      ['datasets/create', { name: 'x', tags: '{"a":"\\u0000"}' }, 400],
      ['datasets/create', { name: 'x', experiment_ids: ['4711'] }, 404],
      [`datasets/${id}/records`, { records: '{}' }, 400],
      [`datasets/${id}/records`, { records: '[{"outputs":1}]' }, 400],
      [`datasets/${id}/records`, { records: '[{"inputs":[]}]' }, 400],
      [`datasets/${id}/records`, { records: '[{"inputs":{},"source":{"source_type":"GOD"}}]' }, 400],
      [`datasets/${id}/records`, { records: deep }, 400],
      [`datasets/${id}/records`, { records: large }, 400],
      [`datasets/${id}/records`, { records: JSON.stringify(Array(10_001).fill({ inputs: {} })) }, 400],
      ['datasets/search', { max_results: 50_001 }, 400],
      ['datasets/search', { filter_string: 'records > 1' }, 400],
      ['datasets/search', { order_by: ['tags.a'] }, 400],
    ] as const) {
      const answer = await call('POST', path, body);
      assert.equal(
        answer.status,
        status,
        `${path} ${JSON.stringify(body).slice(0, 100)} ${JSON.stringify(answer.body)}`,
      );
    }
  });
});
