import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeObjects, type Objects } from '../routes/reach/objects.ts';
import { type Asked, allRefused, ask, mlflow } from './hostile/ask.ts';
import { forEachDatabase, type HostileServer } from './hostile/server.ts';

/** Paths that lead elsewhere, or that systems do not agree about, as they are written in an address. */
const PATHS = [
  '../outside',
  'a/../../outside',
  'a/..',
  '%2e%2e/outside',
  '%2e%2e%2foutside',
  '..%2foutside',
  '.%2e/outside',
  '%252e%252e/outside',
  '%252e%252e%252foutside',
  '..%5coutside',
  'a%5c..%5coutside',
  '/etc/passwd',
  '%2fetc%2fpasswd',
  '%252fetc',
  'C:%5cwindows',
  'a%00b',
  'a%2500b',
  'a%0ab',
  './a',
  'a/./b',
  'a//b',
];
/** Not UTF-8: no path at all in an address, and a text like others in a query. */
const NO_UTF8 = '%ff%fe';
const PROXY = '/api/2.0/mlflow-artifacts';

forEachDatabase('A path that leads elsewhere', (open) => {
  let server: HostileServer;
  let objects: Objects;
  before(async () => {
    server = await open();
    objects = await makeObjects(({ bytes, ...one }) => ask(server, { ...one, ...(bytes ? { body: bytes } : {}) }), 'a');
  });
  after(() => server.stop());

  const everywhere = (asked: (path: string) => Asked[]) => PATHS.flatMap(asked);

  test('is refused by every route for files, touching nothing', async () => {
    const { folder, run, loggedModel } = objects;
    const asked = everywhere((path) => [
      { method: 'GET', path: `${PROXY}/artifacts/${folder}/${path}` },
      { method: 'PUT', path: `${PROXY}/artifacts/${folder}/${path}`, body: 'x' },
      { method: 'DELETE', path: `${PROXY}/artifacts/${folder}/${path}` },
      { method: 'GET', path: `${PROXY}/artifacts?path=${folder}/${path}` },
      { method: 'POST', path: `${PROXY}/mpu/create/${folder}/${path}`, json: { path: 'x', num_parts: 1 } },
      { method: 'PUT', path: `/api/v1/tracking/runs/${run}/artifacts?path=${path}`, ...OCTETS },
      { method: 'GET', path: `/api/v1/tracking/runs/${run}/artifact?path=${path}` },
      { method: 'GET', path: `/api/2.0/mlflow/artifacts/list?run_id=${run}&path=${path}` },
      {
        method: 'GET',
        path: `/api/2.0/mlflow/logged-models/${loggedModel}/artifacts/directories?artifact_directory_path=${path}`,
      },
      { method: 'GET', path: `/api/v1/models/a/versions/1/artifact?path=${path}` },
    ]);
    await allRefused(server, asked, [400]);
  });

  test('is refused where it is not UTF-8', async () => {
    const methods = ['GET', 'PUT', 'DELETE'];
    const path = `${PROXY}/artifacts/${objects.folder}/${NO_UTF8}`;
    await allRefused(
      server,
      methods.map((method) => ({ method, path, ...(method === 'PUT' ? { body: 'x' } : {}) })),
      [400],
    );
  });

  test('is refused where a name comes in a body', async () => {
    const { folder, run } = objects;
    const keys = ['../x', 'a/../x', '..', '.', './a', '/etc/passwd', 'a//b', 'a/.', 'a\0b', 'a\\b', 'a\nb', '%2e%2e'];
    const sources = ['../x', 'a/../x', '..', 'a/%2e%2e/x', '%2E%2e', 'a%2fb', 'a\\..\\b', 'a\0b', 'a\nb'];
    const names = ['..', 'a/..', '.', 'a\\..', 'a\0b', 'a%00b', '%2e%2e', 'a%2fb', ''];
    const asked = [
      ...keys.map((key) => mlflow('POST', 'runs/log-parameter', { run_id: run, key, value: '1' })),
      ...keys.map((key) => mlflow('POST', 'runs/log-metric', { run_id: run, key, value: 1, timestamp: 1 })),
      ...keys.map((key) => mlflow('POST', 'runs/set-tag', { run_id: run, key, value: '1' })),
      ...sources.map((path) => mlflow('POST', 'model-versions/create', { name: 'a', source: `runs:/${run}/${path}` })),
      ...names.map((path) => ({
        ...{ method: 'POST', path: `${PROXY}/mpu/create/${folder}/new`, json: { path, num_parts: 1 } },
      })),
    ];
    await allRefused(server, asked, [400]);
  });

  test('is no way to a file of the server, whatever scheme names it', async () => {
    const sources = [
      '/etc/passwd',
      'file:///etc/passwd',
      'FILE:/etc',
      'file://localhost/etc',
      '../../etc',
      'mlflow-artifacts:/../x',
    ];
    const asked = sources.map((source) => ({
      ...{ method: 'POST', path: '/api/2.0/mlflow/model-versions/create', json: { name: 'a', source } },
    }));
    await allRefused(server, asked, [400]);
  });

  test('is not followed below the console either', async () => {
    for (const path of ['/assets/..%2f..%2fpackage.json', '/assets/../../package.json', '/..%2f..%2fetc/passwd']) {
      const { status, text } = await ask(server, { method: 'GET', path });
      assert.ok(
        status === 404 || status === 400 || status === 403 || text.startsWith('<!doctype'),
        `${path}: ${status}`,
      );
      assert.doesNotMatch(text, /"dependencies"|root:/);
    }
  });
});

const OCTETS = { body: 'x', headers: { 'content-type': 'application/octet-stream' } };
