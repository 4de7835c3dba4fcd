import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { gather } from '#conformance/blob-store';
import { tokenAuthenticator } from '#platform/access';
import type { Context } from '#platform/db';
import { openHttpServer } from '#platform/http';
import type { OpenDatabase } from '#testing/databases';
import { createTracking } from '../../index.ts';

export const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

export interface ArtifactReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly json: () => unknown;
}

interface Sending {
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
}

/** A server with one run, over an empty database and blob store, and a way to send it what no client would. */
export async function serveArtifacts(t: TestContext, openDb: OpenDatabase) {
  const database = await openDb();
  const root = await mkdtemp(join(tmpdir(), 'kedge-artifacts-'));
  const blobs = await openFsBlobStore({ root });
  const tracking = createTracking({ ...database.deps, blobs });
  const authenticator = tokenAuthenticator(new Map(), { localRole: 'editor' });
  const { protocols = [] } = tracking.parts;
  const server = openHttpServer({ ...database.deps, groups: tracking.parts.routes, protocols, authenticator });
  const url = new URL(await server.listen('127.0.0.1', 0));
  t.after(async () => {
    await server.close();
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
  /** Sends a path as it is: `fetch` would resolve its dots. */
  async function send(method: string, path: string, { body, headers = {} }: Sending = {}): Promise<ArtifactReply> {
    const request = httpRequest({ host: url.hostname, port: url.port, method, path, headers, agent: false });
    request.end(body);
    const [reply] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of reply) chunks.push(chunk);
    const whole = Buffer.concat(chunks);
    return {
      status: reply.statusCode ?? 0,
      headers: reply.headers,
      body: whole,
      json: () => JSON.parse(whole.toString('utf8')),
    };
  }
  const run = await tracking.createRun(ada, { experiment: 'delays' });
  const stored = async () => (await gather(blobs.list())).length;
  /** What writes in progress, or that broke off, have left on the disk. */
  const unfinished = () => readdir(join(root, 'tmp'));
  return {
    ...database,
    send,
    tracking,
    blobs,
    url,
    stored,
    unfinished,
    run: run.id,
    base: `${run.experiment.id}/${run.id}/artifacts`,
  };
}
