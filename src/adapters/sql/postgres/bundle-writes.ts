import type pg from 'pg';

/**
 * Has the statements of one turn of the event loop go to the server in one write. A write wakes the server up, which
 * costs about as much processor time as a small statement does.
 */
export function bundleWrites(client: pg.PoolClient & Pick<pg.Client, 'connection'>): void {
  const query = client.query.bind(client) as (...args: readonly unknown[]) => unknown;
  const bundled = (...args: readonly unknown[]): unknown => {
    const { stream } = client.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    return query(...args);
  };
  client.query = bundled as typeof client.query;
}
