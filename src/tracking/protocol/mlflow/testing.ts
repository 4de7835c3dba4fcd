import type { TestContext } from 'node:test';
import { tokenAuthenticator } from '#platform/access';
import { openHttpServer } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import type { OpenDatabase } from '#testing/databases';
import { createTracking } from '../../index.ts';

export interface MlflowReply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A server of the protocol over an empty database, and ways to send it what no client would. */
export async function serveMlflow(t: TestContext, openDb: OpenDatabase, { role = 'editor' } = {}) {
  const database = await openDb();
  // Nothing that is sent here touches content.
  const tracking = createTracking({ ...database.deps, blobs: {} as BlobStore });
  const authenticator = tokenAuthenticator(new Map(), { localRole: role });
  const { protocols = [], routes: groups } = tracking.parts;
  const server = openHttpServer({ ...database.deps, groups, protocols, authenticator });
  const url = await server.listen('127.0.0.1', 0);
  t.after(async () => {
    const closed = server.close();
    // A connection whose body was refused is not idle, and is cut off when its time is over.
    await database.clock.advance(60_000);
    await closed;
    await database.close();
  });
  const send = async (method: string, path: string, options: { body?: string; project?: string } = {}) => {
    const { body, project } = options;
    const reply = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
      headers: project === undefined ? {} : { 'x-mlflow-workspace': project },
    });
    return { status: reply.status, body: (await reply.json()) as MlflowReply['body'] };
  };
  const post = (path: string, body: object, project?: string) =>
    send('POST', `/api/2.0/mlflow/${path}`, {
      body: JSON.stringify(body),
      ...(project === undefined ? {} : { project }),
    });
  const get = (path: string) => send('GET', `/api/2.0/mlflow/${path}`);
  const newRun = async (): Promise<string> => {
    const { body } = await post('runs/create', { experiment_id: '0' });
    return (body['run'] as { info: { run_id: string } }).info.run_id;
  };
  return { ...database, tracking, url, send, post, get, newRun };
}
