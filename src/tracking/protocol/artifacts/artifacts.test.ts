import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../../index.ts';
import { type ArtifactReply, ada, serveArtifacts } from './testing.ts';

const FILES = '/api/2.0/mlflow-artifacts/artifacts';
const CONTENT = Buffer.from('0123456789');

function failure(reply: ArtifactReply): readonly [number, string, string] {
  const { error_code: code, message } = reply.json() as { error_code: string; message: string };
  return [reply.status, code, message];
}

forEachDialect('The artifact proxy', trackingMigrations, (openDb) => {
  test('a file is stored, listed with its folders, read and removed, under both prefixes', async (t) => {
    const { send, base, tracking, run } = await serveArtifacts(t, openDb);
    const put = await send('PUT', `${FILES}/${base}/plots/a%20b%25.txt`, { body: CONTENT });
    assert.deepEqual([put.status, put.json()], [200, {}]);
    await send('PUT', `${FILES}/${base}/model.bin`, { body: 'model' });

    const listed = await send('GET', `${FILES}?path=${encodeURIComponent(base)}`);
    assert.deepEqual(listed.json(), {
      files: [
        { path: 'model.bin', is_dir: false, file_size: 5 },
        { path: 'plots', is_dir: true },
      ],
    });
    const below = await send('GET', `/ajax-api/2.0/mlflow-artifacts/artifacts?path=${base}/plots`);
    assert.deepEqual(below.json(), { files: [{ path: 'a b%.txt', is_dir: false, file_size: 10 }] });
    const file = await send('GET', `${FILES}/${base}/plots/a%20b%25.txt`);
    assert.deepEqual([file.status, file.body.toString()], [200, '0123456789']);
    assert.equal(file.headers['content-length'], '10');
    assert.deepEqual(
      (await tracking.listArtifacts(run)).map(({ path }) => path),
      ['model.bin', 'plots/a b%.txt'],
    );

    assert.equal((await send('DELETE', `${FILES}/${base}/plots`)).status, 200);
    assert.equal((await send('GET', `${FILES}/${base}/plots/a%20b%25.txt`)).status, 404);
    assert.equal((await tracking.listArtifacts(run)).length, 1);
    assert.equal((await send('DELETE', `${FILES}/${base}`)).status, 200);
    assert.equal((await tracking.listArtifacts(run)).length, 0);
  });

  test('logged models, traces and the experiment have files of their own', async (t) => {
    const { send, tracking } = await serveArtifacts(t, openDb);
    const made = await send('POST', '/api/2.0/mlflow/logged-models', { body: JSON.stringify({ experiment_id: '1' }) });
    const { model_id: id } = (made.json() as { model: { info: { model_id: string } } }).model.info;
    const paths = [`1/models/${id}/artifacts/MLmodel`, '1/traces/tr-0a/artifacts/traces.json', '1/notes/x.txt'];
    for (const path of paths) assert.equal((await send('PUT', `${FILES}/${path}`, { body: path })).status, 200);
    for (const path of paths) assert.equal((await send('GET', `${FILES}/${path}`)).body.toString(), path);
    const model = await tracking.artifacts.list({ owner: { kind: 'model', id }, path: '' });
    assert.deepEqual(
      model.map(({ path, digest }) => [path, digest]),
      [['MLmodel', digestOf(paths[0] ?? '')]],
    );
  });

  test('a range is answered alone, a download that broke off goes on, and never with other content', async (t) => {
    const { send, base } = await serveArtifacts(t, openDb);
    const path = `${FILES}/${base}/f`;
    await send('PUT', path, { body: CONTENT });
    const get = (headers: Record<string, string>) => send('GET', path, { headers });
    const { etag = '' } = (await get({})).headers;
    const ranges: [string, string, string][] = [
      ['bytes=2-4', '234', 'bytes 2-4/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=-3', '789', 'bytes 7-9/10'],
      ['bytes=8-99', '89', 'bytes 8-9/10'],
      ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ];
    for (const [range, body, contentRange] of ranges) {
      const reply = await get({ range });
      assert.deepEqual([reply.status, reply.body.toString()], [206, body], range);
      assert.equal(reply.headers['content-range'], contentRange);
    }
    for (const range of ['bytes=10-', 'bytes=-0', 'bytes=99-100']) {
      const reply = await get({ range });
      assert.deepEqual([reply.status, reply.headers['content-range']], [416, 'bytes */10'], range);
    }
    for (const range of ['bytes=0-1,3-4', 'bytes=5-2', 'lines=1-2', 'bytes=-']) {
      assert.equal((await get({ range })).status, 200, range);
    }
    assert.equal((await get({ range: 'bytes=5-', 'if-range': etag })).body.toString(), '56789');
    assert.equal((await get({ 'if-none-match': etag })).status, 304);

    await send('PUT', path, { body: 'abcdefghij' });
    const continued = await get({ range: 'bytes=5-', 'if-range': etag });
    assert.deepEqual([continued.status, continued.body.toString()], [200, 'abcdefghij']);
  });

  test('a path that could mean another place gets 400 and touches nothing', async (t) => {
    const { send, base, tracking, run, stored } = await serveArtifacts(t, openDb);
    const hostile = ['../x', 'a/../../x', '..%2fx', '%2e%2e/x', '%2e%2e%2fx', '%252e%252e/x', 'a%2fb', 'a%5cb', 'a\\b'];
    const more = [
      'a%00b',
      '/etc/passwd',
      '/',
      'a//b',
      './a',
      'a/%2e/b',
      'C:/x',
      'x'.repeat(300),
      `${'y/'.repeat(600)}y`,
    ];
    for (const path of [...hostile, ...more]) {
      for (const method of ['PUT', 'GET', 'DELETE']) {
        const body = method === 'PUT' ? { body: CONTENT } : {};
        const reply = await send(method, `${FILES}/${base}/${path}`, body);
        // DELETE of the root with a slash at the end is the root itself.
        if (path === '/' && method !== 'PUT') continue;
        const [status, code] = failure(reply);
        assert.equal(status, 400, `${method} ${path}`);
        // The server itself refuses a NUL, in any address; all the others are paths that are no artifact's.
        assert.equal(code, path.includes('%00') ? 'BAD_REQUEST' : 'INVALID_PARAMETER_VALUE', `${method} ${path}`);
      }
      const created = await send('POST', `/api/2.0/mlflow-artifacts/mpu/create/${base}/${path}`, {
        body: JSON.stringify({ path: '/home/ada/f', num_parts: 1 }),
      });
      assert.equal(created.status, 400, path);
    }
    for (const path of ['../x', `${base}/../..`, `${base}/a%2eb/..`, '/etc', `${base}\0`, 'no-experiment/x']) {
      const listed = await send('GET', `${FILES}?path=${encodeURIComponent(path)}`);
      assert.equal(listed.status, 400, path);
    }
    assert.deepEqual(await tracking.listArtifacts(run), []);
    assert.equal(await stored(), 0);
  });

  test('what is not there is 404, and a deleted run is read-only, in the words of MLflow', async (t) => {
    const { send, base, tracking, run, stored } = await serveArtifacts(t, openDb);
    await send('PUT', `${FILES}/${base}/f`, { body: CONTENT });
    assert.deepEqual(failure(await send('GET', `${FILES}/${base}/g`)).slice(0, 2), [404, 'RESOURCE_DOES_NOT_EXIST']);
    const other = await send('PUT', `${FILES}/1/0123456789abcdef0123456789abcdef/artifacts/f`, { body: 'x' });
    assert.deepEqual(failure(other).slice(0, 2), [404, 'RESOURCE_DOES_NOT_EXIST']);
    const model = await send('PUT', `${FILES}/1/models/m-0a/artifacts/f`, { body: 'x' });
    assert.deepEqual(failure(model).slice(0, 2), [404, 'RESOURCE_DOES_NOT_EXIST']);
    const absent = await send('PUT', `${FILES}/77/f`, { body: 'x' });
    assert.deepEqual(failure(absent).slice(0, 2), [404, 'RESOURCE_DOES_NOT_EXIST']);

    await tracking.deleteRun(ada, run);
    const refused = [
      400,
      'INVALID_PARAMETER_VALUE',
      `The run ${run} must be in the 'active' state. Current state is deleted: restore it first.`,
    ];
    assert.deepEqual(failure(await send('PUT', `${FILES}/${base}/g`, { body: 'new' })), refused);
    assert.deepEqual(failure(await send('DELETE', `${FILES}/${base}/f`)), refused);
    assert.equal((await send('GET', `${FILES}/${base}/f`)).status, 200);
    assert.equal(await stored(), 1);
  });

  test('an upload that breaks off leaves neither a file nor content', async (t) => {
    const { send, base, tracking, run, stored, unfinished, url } = await serveArtifacts(t, openDb);
    const headers = { 'content-length': 1_000_000 };
    const request = httpRequest({
      host: url.hostname,
      port: url.port,
      method: 'PUT',
      path: `${FILES}/${base}/f`,
      headers,
    });
    request.on('error', () => {});
    request.write(Buffer.alloc(300_000));
    await once(request, 'socket');
    request.flushHeaders();
    await new Promise<void>((resolve) => request.write(Buffer.alloc(100_000), () => resolve()));
    request.destroy();
    // A request that comes later has to wait for nothing of the one that broke off.
    assert.equal((await send('PUT', `${FILES}/${base}/g`, { body: CONTENT })).status, 200);
    assert.deepEqual(
      (await tracking.listArtifacts(run)).map(({ path }) => path),
      ['g'],
    );
    assert.equal(await stored(), 1);
    assert.deepEqual(await unfinished(), []);
  });

  test('damaged content reaches nobody whole', async (t) => {
    const { send, base, blobs } = await serveArtifacts(t, openDb);
    const content = Buffer.alloc(700_000, 'x');
    const file = `${FILES}/${base}/f`;
    await send('PUT', file, { body: content });
    const path = await blobs.localPath(digestOf(content));
    await chmod(path, 0o600);
    await writeFile(path, Buffer.from(content).fill('y', 10, 11));
    await assert.rejects(send('GET', file), { code: 'ECONNRESET' });
    const head = await send('HEAD', file);
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '700000', 0]);
    // Of content that is gone nothing has left, so the failure is told.
    await blobs.delete(digestOf(content));
    assert.equal((await send('GET', file)).status, 404);
  });
});
