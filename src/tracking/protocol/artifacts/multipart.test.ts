import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { digestOf } from '#core/hash';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { trackingMigrations } from '../../index.ts';
import { ada, serveArtifacts } from './testing.ts';

const MPU = '/api/2.0/mlflow-artifacts/mpu';

interface Created {
  readonly upload_id: string;
  readonly credentials: readonly { url: string; part_number: number; headers: Record<string, string> }[];
}

/** Sends the head of a part and some of its bytes, and is gone. */
async function breakOff(url: URL, headers: Readonly<Record<string, string>>): Promise<void> {
  const cut = request(url, { method: 'PUT', headers: { ...headers, 'content-length': 1_000_000 } });
  const closed = new Promise((resolve) => cut.on('error', () => {}).on('close', resolve));
  cut.write('x'.repeat(100_000), () => cut.destroy());
  await closed;
}

forEachDialect('Uploads in parts', trackingMigrations, (openDb) => {
  async function begin(t: TestContext, open: OpenDatabase, parts: number) {
    const around = await serveArtifacts(t, open);
    const { send, base } = around;
    const post = (verb: string, body: object, below = '/models') =>
      send('POST', `${MPU}/${verb}/${base}${below}`, { body: JSON.stringify({ path: '/home/ada/big.bin', ...body }) });
    const created = await post('create', { num_parts: parts });
    assert.equal(created.status, 200);
    const { upload_id: id, credentials } = created.json() as Created;
    const sendPart = async (number: number, content: string, headers?: Record<string, string>) => {
      const part = credentials[number - 1];
      assert.equal(part?.part_number, number);
      const { pathname } = new URL(part.url);
      return send('PUT', pathname, { body: content, headers: headers ?? part.headers });
    };
    const etagOf = async (number: number, content: string) => ({
      part_number: number,
      etag: (await sendPart(number, content)).headers['etag'] ?? '',
      url: credentials[number - 1]?.url,
    });
    return { ...around, post, id, credentials, sendPart, etagOf };
  }

  test('parts come in any order, the last of each counts, and nothing is there before all of them are', async (t) => {
    const { post, id, etagOf, tracking, run, blobs } = await begin(t, openDb, 3);
    const parts = [await etagOf(3, 'three'), await etagOf(1, 'wrong'), await etagOf(2, 'two-')];
    parts[1] = await etagOf(1, 'one-');
    assert.deepEqual(await tracking.listArtifacts(run), []);

    const complete = () => post('complete', { upload_id: id, parts });
    assert.equal((await complete()).status, 200);
    const [file] = await tracking.listArtifacts(run);
    assert.deepEqual([file?.path, file?.digest], ['models/big.bin', digestOf('one-two-three')]);
    assert.equal(Buffer.from(await blobs.read(digestOf('one-two-three'))).toString(), 'one-two-three');
    // A client that lost the answer asks again.
    assert.equal((await complete()).status, 200);
    assert.equal((await tracking.listArtifacts(run)).length, 1);
  });

  test('an upload is not completed without every part, each as its sender knows it, at its own place', async (t) => {
    const { post, id, etagOf, tracking, run } = await begin(t, openDb, 2);
    const first = await etagOf(1, 'one');
    const refused = async (parts: object[], text: RegExp) => {
      const reply = await post('complete', { upload_id: id, parts });
      assert.equal(reply.status, 400);
      assert.match(reply.body.toString(), text);
    };
    await refused([first], /part 2 of 2 was not sent/);
    const second = await etagOf(2, 'two');
    await refused([first], /part 2 has another etag/);
    await refused([first, { ...second, etag: first.etag }], /part 2 has another etag/);
    const elsewhere = await post('complete', { upload_id: id, parts: [first, second] }, '/elsewhere');
    assert.equal(elsewhere.status, 404);
    assert.deepEqual(await tracking.listArtifacts(run), []);
  });

  test('a part needs the key of its upload, and an upload that was aborted takes none', async (t) => {
    const { post, id, sendPart, send, credentials, stored } = await begin(t, openDb, 1);
    for (const headers of [{}, { 'x-kedge-upload-key': 'guess' }]) {
      assert.equal((await sendPart(1, 'x', headers)).status, 401);
    }
    const headers = credentials[0]?.headers ?? {};
    assert.equal((await send('PUT', '/api/2.0/mlflow-artifacts/mpu/part/upl_none/1', { headers })).status, 401);
    for (const part of ['0', '2', 'x']) {
      assert.equal((await send('PUT', `/api/2.0/mlflow-artifacts/mpu/part/${id}/${part}`, { headers })).status, 400);
    }
    assert.equal(await stored(), 0);
    assert.equal((await post('abort', { upload_id: id })).status, 200);
    assert.equal((await sendPart(1, 'x')).status, 401);
    assert.equal((await post('complete', { upload_id: id, parts: [] })).status, 404);
    assert.equal((await post('abort', { upload_id: id })).status, 200);
  });

  test('an upload that was interrupted goes on with the parts that are missing', async (t) => {
    const { post, id, credentials, sendPart, etagOf, send, url, tracking, run } = await begin(t, openDb, 3);
    const { headers = {} } = credentials[0] ?? {};
    const list = async (with_ = headers) => send('GET', `${MPU}/part/${id}`, { headers: with_ });
    const numbers = async () => {
      const { parts } = (await list()).json() as { parts: { part_number: number; size: number }[] };
      return parts.map(({ part_number, size }) => [part_number, size]);
    };
    assert.deepEqual(await numbers(), []);
    const third = await etagOf(3, 'three');
    await breakOff(new URL(`${MPU}/part/${id}/1`, url), headers);
    assert.deepEqual(await numbers(), [[3, 5]], 'a part that broke off is not there');

    await sendPart(1, 'one-');
    const listed = (await list()).json() as { upload_id: string; num_parts: number; parts: { etag: string }[] };
    assert.deepEqual([listed.upload_id, listed.num_parts, listed.parts.at(-1)?.etag], [id, 3, third.etag]);
    await sendPart(2, 'two-');
    const { parts } = (await list()).json() as { parts: object[] };
    assert.equal((await post('complete', { upload_id: id, parts })).status, 200);
    assert.equal((await tracking.listArtifacts(run))[0]?.digest, digestOf('one-two-three'));
    assert.equal((await list()).status, 401, 'nothing is open any more');
    assert.equal((await list({ 'x-kedge-upload-key': 'guess' })).status, 401);
  });

  test('impossible numbers of parts and bodies without their fields are refused', async (t) => {
    const { post, tracking, run } = await begin(t, openDb, 1);
    for (const parts of [0, -1, 1.5, 10_001, 'many', 1e300]) {
      assert.equal((await post('create', { num_parts: parts })).status, 400, String(parts));
    }
    for (const verb of ['create', 'complete', 'abort'])
      assert.equal((await post(verb, { path: '' })).status, 400, verb);
    await tracking.deleteRun(ada, run);
    assert.equal((await post('create', { num_parts: 1 })).status, 400);
  });

  test('an upload that nobody completed in a week is forgotten', async (t) => {
    const { post, id, etagOf, clock, tracking } = await begin(t, openDb, 1);
    const part = await etagOf(1, 'one');
    const expiry = tracking.parts.jobs.find((job) => job.name === 'tracking.expire-uploads');
    await expiry?.run(new AbortController().signal);
    await clock.advance(7 * 86_400_000 + 1);
    await expiry?.run(new AbortController().signal);
    assert.equal((await post('complete', { upload_id: id, parts: [part] })).status, 404);
  });
});
