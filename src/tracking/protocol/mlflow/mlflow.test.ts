import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../../index.ts';
import { type MlflowReply, serveMlflow } from './testing.ts';

function assertRefused({ status, body }: MlflowReply, expected: number, code: string, message?: RegExp): void {
  assert.equal(status, expected, JSON.stringify(body).slice(0, 300));
  assert.equal(body['error_code'], code);
  if (message) assert.match(String(body['message']), message);
}

forEachDialect('MLflow tracking', trackingMigrations, (openDb) => {
  test('the routes answer under both roots, what is unknown below them is refused in the same form', async (t) => {
    const { send } = await serveMlflow(t, openDb);
    for (const root of ['/api/2.0/mlflow', '/ajax-api/2.0/mlflow']) {
      const { status, body } = await send('GET', `${root}/experiments/get?experiment_id=0`);
      assert.deepEqual([status, (body['experiment'] as { name: string }).name], [200, 'Default']);
      assertRefused(await send('GET', `${root}/gateway/endpoints`), 404, 'ENDPOINT_NOT_FOUND');
    }
    assertRefused(await send('POST', '/api/3.0/mlflow/prompt-optimization/jobs'), 404, 'ENDPOINT_NOT_FOUND');
  });

  test('health and version are plain text', async (t) => {
    const { url } = await serveMlflow(t, openDb);
    assert.equal(await (await fetch(`${url}/health`)).text(), 'OK');
    assert.match(await (await fetch(`${url}/version`)).text(), /^3\.\d+\.\d+$/);
  });

  test('integers come as numbers or digits, NaN and infinities by name, what is unknown is ignored', async (t) => {
    const { post, get, newRun } = await serveMlflow(t, openDb);
    const run_id = await newRun();
    const metric = { run_id, key: 'm', timestamp: '1700000000000', step: '3', future: { a: [1] }, model_id: null };
    for (const [i, value] of ['NaN', 'Infinity', '-Infinity', 0.5, '1.5'].entries()) {
      const { status } = await post('runs/log-metric', { ...metric, value, step: i });
      assert.equal(status, 200);
    }
    const { body } = await get(`metrics/get-history?run_id=${run_id}&metric_key=m`);
    const points = body['metrics'] as { value: unknown; step: unknown; timestamp: unknown }[];
    assert.deepEqual(
      points.map(({ value }) => value),
      ['NaN', 'Infinity', '-Infinity', 0.5, 1.5],
    );
    assert.deepEqual(points[1], { key: 'm', value: 'Infinity', timestamp: 1_700_000_000_000, step: 1 });
  });

  test('a run is answered when it is made as it is when it is read', async (t) => {
    const { get, post } = await serveMlflow(t, openDb);
    const tags = [
      { key: 'stage', value: 'draft' },
      { key: '10', value: 'ten' },
      { key: 'Zone', value: 'ü\n' },
    ];
    for (const given of [{}, { tags, run_name: 'first', user_id: 'ada', start_time: 1_700_000_000_000 }]) {
      const { body: made } = await post('runs/create', { experiment_id: '0', ...given });
      const { run_id } = (made['run'] as { info: { run_id: string } }).info;
      const { body: read } = await get(`runs/get?run_id=${run_id}`);
      assert.deepEqual(made, read);
    }
  });

  test('a list in a query is a repeated key', async (t) => {
    const { get, newRun, post } = await serveMlflow(t, openDb);
    const runs = [await newRun(), await newRun()];
    for (const run_id of runs) {
      const metrics = Array.from({ length: 50 }, (_, step) => ({ key: 'm', value: step, timestamp: step, step }));
      await post('runs/log-batch', { run_id, metrics });
    }
    const query = runs.map((run) => `run_ids=${run}`).join('&');
    const { body } = await get(`metrics/get-history-bulk-interval?${query}&metric_key=m&max_results=5`);
    const points = body['metrics'] as { run_id: string; step: number }[];
    assert.deepEqual(new Set(points.map((point) => point.run_id)), new Set(runs));
    assert.deepEqual(
      points.filter(({ run_id }) => run_id === runs[0]).map(({ step }) => step),
      [0, 10, 20, 30, 40, 49],
    );
  });

  test('what is missing or wrong is told in the words that clients look for, and nothing is changed', async (t) => {
    const { post, get, newRun } = await serveMlflow(t, openDb);
    const run_id = await newRun();
    const invalid = 'INVALID_PARAMETER_VALUE';
    assertRefused(
      await post('runs/log-metric', { run_id }),
      400,
      invalid,
      /^Missing value for required parameter 'key'\./,
    );
    assertRefused(await get('runs/get'), 400, invalid, /^Missing value for required parameter 'run_id'\./);
    const cases: [string, object, RegExp][] = [
      [
        'runs/log-batch',
        {
          run_id,
          metrics: [
            { key: 'a', value: 1, timestamp: 1 },
            { key: 'b', value: 'x', timestamp: 1 },
          ],
        },
        /^Invalid value "x" for parameter 'metrics\[1\]\.value' supplied/,
      ],
      [
        'runs/log-batch',
        { run_id, metrics: [{ key: 'a\nb', value: 1, timestamp: 1 }] },
        /parameter 'metrics\[0\]\.key' supplied: Names may only/,
      ],
      ['runs/log-batch', { run_id, params: [{ key: '../x', value: '1' }] }, /must not resolve to other names/],
      [
        'runs/log-batch',
        {
          run_id,
          params: [
            { key: 'p', value: '1' },
            { key: 'p', value: '2' },
          ],
        },
        /Duplicate parameter keys/,
      ],
      [
        'runs/log-batch',
        { run_id, metrics: Array.from({ length: 1_001 }, () => ({ key: 'm', value: 1, timestamp: 1 })) },
        /at most 1000 items/,
      ],
      [
        'runs/log-batch',
        { run_id, params: Array.from({ length: 101 }, (_, i) => ({ key: `p${i}`, value: '1' })) },
        /at most 100 items/,
      ],
      ['runs/log-parameter', { run_id, key: 'p', value: 'x'.repeat(6_001) }, /at most 6000 characters/],
      ['runs/log-parameter', { run_id, key: 'k'.repeat(251), value: 'x' }, /at most 250 characters/],
      ['runs/set-tag', { run_id, key: 't', value: 'a\0b' }, /NUL/],
      ['runs/log-metric', { run_id, key: 'm', value: 1, timestamp: 1e30 }, /expected an integer|at most/],
      [
        'runs/log-metric',
        { run_id, key: 'm', value: 1, timestamp: 1, model_id: 'm-none' },
        /Logged model with ID 'm-none' not found/,
      ],
      ['runs/search', { experiment_ids: ['0'], max_results: -1 }, /parameter 'max_results' supplied/],
      ['runs/search', { experiment_ids: ['0'], max_results: 50_001 }, /expected at most 50000/],
      ['runs/search', { experiment_ids: ['0'], run_view_type: 'EVERYTHING' }, /one of ACTIVE_ONLY/],
      [
        'runs/create',
        { experiment_id: '0', tags: [{ key: 'mlflow.runName', value: 'a' }], run_name: 'b' },
        /different values/,
      ],
      ['experiments/create', { name: '' }, /Missing value for required parameter 'name'/],
    ];
    for (const [path, body, message] of cases) {
      const reply = await post(path, body);
      assert.ok([400, 404].includes(reply.status), `${path} ${reply.status}`);
      assert.match(String(reply.body['message']), message);
    }
    const { body } = await get(`runs/get?run_id=${run_id}`);
    const { metrics, params } = (body['run'] as { data: { metrics: []; params: [] } }).data;
    assert.deepEqual([metrics, params], [[], []]);
  });

  test('a body that cannot be read, is too deep or too large is refused, and the server goes on', async (t) => {
    const { send, newRun } = await serveMlflow(t, openDb);
    const path = '/api/2.0/mlflow/runs/log-batch';
    assertRefused(await send('POST', path, { body: '{"run_id":' }), 400, 'BAD_REQUEST');
    assertRefused(await send('POST', path, { body: '[1]' }), 400, 'INVALID_PARAMETER_VALUE');
    assertRefused(
      await send('POST', path, { body: `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}` }),
      400,
      'INVALID_PARAMETER_VALUE',
      /deeper/,
    );
    assertRefused(
      await send('POST', path, { body: JSON.stringify({ a: 'x'.repeat(2_000_000) }) }),
      413,
      'INVALID_PARAMETER_VALUE',
    );
    assert.match(await newRun(), /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  });

  test('a batch of which one part is refused leaves nothing behind, and one sent again changes nothing', async (t) => {
    const { post, get, newRun } = await serveMlflow(t, openDb);
    const run_id = await newRun();
    const metrics = Array.from({ length: 300 }, (_, i) => ({ key: `m${i % 3}`, value: i, timestamp: i, step: i }));
    const batch = { run_id, metrics, params: [{ key: 'p', value: '1' }], tags: [{ key: 't', value: '1' }] };
    assert.equal((await post('runs/log-batch', batch)).status, 200);
    assert.equal((await post('runs/log-batch', batch)).status, 200);
    const refused = {
      run_id,
      metrics: [{ key: 'new', value: 1, timestamp: 1 }],
      params: [{ key: 'p', value: '2' }],
      tags: [{ key: 'u', value: '1' }],
    };
    assertRefused(
      await post('runs/log-batch', refused),
      400,
      'INVALID_PARAMETER_VALUE',
      /Changing param values is not allowed/,
    );
    const { body } = await get(`runs/get?run_id=${run_id}`);
    const { data } = body['run'] as { data: Record<'metrics' | 'params' | 'tags', { key: string; value: unknown }[]> };
    assert.deepEqual(
      data.metrics.map(({ key, value }) => [key, value]),
      [
        ['m0', 297],
        ['m1', 298],
        ['m2', 299],
      ],
    );
    assert.deepEqual(data.tags.map(({ key }) => key).sort(), ['mlflow.runName', 't']);
    const history = await get(`metrics/get-history?run_id=${run_id}&metric_key=m0`);
    assert.equal((history.body['metrics'] as []).length, 100);
  });

  test('a history comes by pages, and a token of another history is refused', async (t) => {
    const { post, get, newRun } = await serveMlflow(t, openDb);
    const run_id = await newRun();
    const metrics = ['a', 'b'].flatMap((key) =>
      Array.from({ length: 10 }, (_, i) => ({ key, value: i, timestamp: i >> 1, step: -i })),
    );
    await post('runs/log-batch', { run_id, metrics });
    const page = (key: string, token: string) =>
      get(`metrics/get-history?run_id=${run_id}&metric_key=${key}&max_results=4&page_token=${token}`);
    const values: unknown[] = [];
    let token = '';
    do {
      const { body } = await page('a', token);
      values.push(...(body['metrics'] as { value: unknown }[]).map(({ value }) => value));
      token = String(body['next_page_token'] ?? '');
    } while (token !== '');
    assert.deepEqual(values, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8]);
    const first = String((await page('a', '')).body['next_page_token']);
    assertRefused(await page('b', first), 400, 'INVALID_PARAMETER_VALUE', /page token/);
    assertRefused(await page('a', 'eyJvZmZzZXQiOjF9'), 400, 'INVALID_PARAMETER_VALUE', /page token/);
  });

  test('a client may ask for parts of runs only, and for how many there are', async (t) => {
    const { post, newRun } = await serveMlflow(t, openDb);
    for (let i = 0; i < 3; i++) {
      await post('runs/log-batch', {
        run_id: await newRun(),
        metrics: [{ key: 'm', value: i, timestamp: 1 }],
        params: [{ key: 'p', value: 'x' }],
      });
    }
    const { body } = await post('runs/search', {
      ...{ experiment_ids: ['0'], filter: 'metrics.m > 0', order_by: ['metrics.m DESC'] },
      ...{ max_results: 1, fields: ['metrics'], count: true },
    });
    assert.equal(body['count'], 2);
    const [run] = body['runs'] as { info: object; data: object }[];
    assert.deepEqual(run?.data, { metrics: [{ key: 'm', value: 2, timestamp: 1, step: 0 }] });
    assert.deepEqual(Object.keys(run?.info ?? {}), ['run_uuid', 'run_id']);
  });

  test('what is in another project is not there, and its names are its own', async (t) => {
    const { post, send, newRun } = await serveMlflow(t, openDb, { role: 'admin' });
    const run_id = await newRun();
    const elsewhere = await post('experiments/create', { name: 'Default' }, 'risk');
    if (elsewhere.status !== 200) return t.skip('projects other than the default one are not served here');
    const reply = await send('GET', `/api/2.0/mlflow/runs/get?run_id=${run_id}`, { project: 'risk' });
    assertRefused(reply, 404, 'RESOURCE_DOES_NOT_EXIST');
    assertRefused(
      await post('runs/log-metric', { run_id, key: 'm', value: 1, timestamp: 1 }, 'risk'),
      404,
      'RESOURCE_DOES_NOT_EXIST',
    );
    const found = await post('runs/search', { experiment_ids: ['0'] }, 'risk');
    assert.deepEqual(found.body['runs'], []);
  });

  test('a reader searches and does not write', async (t) => {
    const { post } = await serveMlflow(t, openDb, { role: 'viewer' });
    assert.equal((await post('runs/search', { experiment_ids: ['0'] })).status, 200);
    assertRefused(await post('runs/create', { experiment_id: '0' }), 403, 'PERMISSION_DENIED');
    assertRefused(await post('experiments/delete', { experiment_id: '0' }), 403, 'PERMISSION_DENIED');
  });
});
