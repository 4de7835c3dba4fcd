import type { Authenticator } from '#platform/access';
import { tokenAuthenticator } from '#platform/access';
import { activityHandlers } from '#platform/activity';
import type { Actor } from '#platform/db';
import { startJobs } from '#platform/domain';
import { Relay } from '#platform/events';
import { resourceHandlers } from '#platform/resources';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs, openColumnar, openOnlineStore, openSql } from '../stores.ts';
import { compose } from './compose.ts';
import { serve } from './serve.ts';

/** Opens the stores, connects the domains, serves the API, delivers events and runs the jobs. */
export async function startControlPlane(base: ProcessBase): Promise<RunningProcess> {
  const { config, dataDir, system, logger } = base;
  const [sql, blobs, keyValue, { columnar, scratchDir }] = await Promise.all([
    openSql(config, dataDir),
    openBlobs(dataDir),
    openOnlineStore(dataDir, 'write'),
    openColumnar(dataDir, 'control-plane'),
  ]);
  const { db, resources, parts, activeRuns } = await compose(base, { sql, blobs, keyValue, columnar, scratchDir });
  const relay = new Relay({
    db,
    system,
    consumers: parts.flatMap((part) => part.consumers),
    // Events of this process wake the relay at once. Only those of another control plane have to be looked for.
    pollMs: config.database ? 1_000 : 30_000,
    onError: (consumer, event, message) =>
      logger.error({ consumer, event: event.seq, type: event.type }, `an event could not be consumed: ${message}`),
    onUnreadable: (consumer, message) =>
      logger.warn({ consumer }, `events cannot be read and are asked for again, after a pause that grows: ${message}`),
  });
  const groups = [
    resourceHandlers(resources),
    activityHandlers(
      db,
      { eventsHandled: () => relay.caughtUp(), activeRuns, nextChange: (withinMs) => relay.nextIdle(withinMs) },
      system.clock,
    ),
    ...parts.flatMap((part) => part.routes),
  ];
  const protocols = parts.flatMap((part) => part.protocols ?? []);
  const authenticator = authenticatorFor(base);
  const { server, endStreams } = await serve({ base, db, blobs, authenticator, groups, protocols });
  const url = await server.listen(config.host, config.port);
  relay.start();
  const stopJobs = startJobs(
    parts.flatMap((part) => part.jobs),
    system,
    logger,
  );
  return {
    ready: { url },
    async stop() {
      endStreams();
      await Promise.all([server.close(), stopJobs(), relay.stop()]);
      await columnar.close();
      await keyValue.close();
      await db.close();
    },
  };
}

/** Without a token only this machine is let in, as administrator, and only while nothing but this machine can ask. */
function authenticatorFor({ config, dataDir }: ProcessBase): Authenticator {
  const { admin, worker, gateway } = dataDir.tokens;
  const actors = new Map<string, Actor>([
    [admin, { id: 'user:admin', roles: ['admin'] }],
    [worker, { id: 'service:worker', roles: ['worker'] }],
    [gateway, { id: 'service:gateway', roles: ['gateway'] }],
  ]);
  const loopbackOnly = ['127.0.0.1', '::1', 'localhost'].includes(config.host);
  return tokenAuthenticator(actors, loopbackOnly ? { localRole: 'admin' } : {});
}
