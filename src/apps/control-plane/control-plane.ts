import type { Accounts } from '#platform/accounts';
import { activityHandlers } from '#platform/activity';
import type { Database } from '#platform/db';
import { Leader, startJobs } from '#platform/domain';
import { Relay } from '#platform/events';
import type { HttpServer, RouteGroup } from '#platform/http';
import { resourceHandlers } from '#platform/resources';
import { workspaceProtocol } from '#tracking/mlflow';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs, openColumnar, openNotifier, openOnlineStore, openSql } from '../stores.ts';
import { openAccounts } from './accounts.ts';
import { compose } from './compose.ts';
import { startEmbeddedWorker } from './embedded-worker.ts';
import { serve } from './serve.ts';

/** A control plane that is connected and does nothing yet. */
export interface OpenControlPlane {
  readonly server: HttpServer;
  /** The routes of all domains with their handlers, as the server has them. */
  readonly groups: readonly RouteGroup[];
  readonly accounts: Accounts;
  readonly db: Database;
  /** Serves the API, delivers events and runs the jobs from now on. Resolves to its address. */
  start(): Promise<string>;
  stop(): Promise<void>;
}

export async function startControlPlane(base: ProcessBase): Promise<RunningProcess> {
  const { start, stop, accounts } = await openControlPlane(base);
  const url = await start();
  const signIn = await firstSignIn(accounts, base.config.publicUrl || url);
  // A supervisor tells it to whoever started it. Without one there is nobody else to do so.
  if (signIn !== undefined && !process.send) process.stdout.write(`Sign in once, within 15 minutes: ${signIn}\n`);
  return { ready: { url, ...(signIn === undefined ? {} : { signIn }) }, stop };
}

/** How the first administrator gets in, as nobody has a password that others could know. */
async function firstSignIn(accounts: Accounts, url: string): Promise<string | undefined> {
  if (accounts.authenticator.allowsLocal || !(await accounts.isNew())) return undefined;
  const context = { actor: { id: 'system:control-plane', roles: ['system'] }, action: 'session.link' };
  const { token } = await accounts.sessions.link(context, 'user:admin');
  return `${url.replace(/\/$/, '')}/sign-in#${token}`;
}

/** Opens the stores and connects the domains, the API and whoever may use it. */
export async function openControlPlane(base: ProcessBase): Promise<OpenControlPlane> {
  const { config, dataDir, system, logger } = base;
  const [sql, blobs, keyValue, { columnar, scratchDir }] = await Promise.all([
    openSql(config, dataDir),
    openBlobs(config, dataDir),
    openOnlineStore(dataDir, 'write'),
    openColumnar(dataDir, 'control-plane'),
  ]);
  const { db, resources, parts, activeRuns } = await compose(base, {
    sql,
    blobs,
    keyValue,
    columnar,
    scratchDir,
    notifier: openNotifier(config),
  });
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
  const accounts = openAccounts(base, db);
  const groups = [
    ...accounts.routes,
    resourceHandlers(resources),
    activityHandlers(
      db,
      { eventsHandled: () => relay.caughtUp(), activeRuns, nextChange: (withinMs) => relay.nextIdle(withinMs) },
      system.clock,
    ),
    ...parts.flatMap((part) => part.routes),
  ];
  const protocols = [...parts.flatMap((part) => part.protocols ?? []), workspaceProtocol(accounts)];
  const { server, endStreams } = await serve({ base, db, blobs, accounts, groups, protocols });
  // Only PostgreSQL is shared with other control planes.
  const leader = config.database ? new Leader(db, system) : undefined;
  let stopJobs = async (): Promise<void> => {};
  let stopWorker = async (): Promise<void> => {};
  return {
    server,
    groups,
    accounts,
    db,
    async start() {
      const url = await server.listen(config.host, config.port);
      relay.start();
      const jobs = parts.flatMap((part) => part.jobs);
      stopJobs = startJobs(jobs, { system, logger, leader });
      if (config.embeddedSlots > 0) stopWorker = await startEmbeddedWorker({ base, groups, blobs, url });
      return url;
    },
    async stop() {
      endStreams();
      await stopWorker();
      await Promise.all([server.close(), stopJobs(), relay.stop()]);
      // Best effort: without it, another takes over seconds later.
      await leader?.leave().catch(() => {});
      await columnar.close();
      await keyValue.close();
      await db.close();
    },
  };
}
