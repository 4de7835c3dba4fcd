import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import { Outage } from '#core/outage';
import type { System } from '#core/system';
import { callerTableSchema } from '#platform/accounts/contract';
import type { Logger } from '#platform/observe';
import type { RoutingTable } from '../routing.ts';
import type { ControlPlane } from './control-plane.ts';
import { readKept, writeKept } from './kept-file.ts';
import type { ApiKeys } from './protection/access/api-keys.ts';
import type { Router } from './router.ts';
import { readRoutingFile, writeRoutingFile } from './routing-file.ts';

export interface Retries {
  readonly system: System;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

interface Following extends Retries {
  /** Told whenever a table has come into force. */
  readonly onTable?: (() => void) | undefined;
  readonly router: Router;
  readonly controlPlane: ControlPlane;
  readonly routingFile: string;
}

interface FollowingCallers extends Retries {
  readonly keys: ApiKeys;
  readonly controlPlane: ControlPlane;
  readonly callersFile: string;
}

/** Puts the routing table of the last run into force, if there is one. */
export async function restoreRouting(following: Omit<Following, 'signal'>): Promise<void> {
  const { router, routingFile: path, logger, onTable } = following;
  await restoring(path, logger, async () => {
    const table = await readRoutingFile(path);
    if (!table) return;
    await router.apply(table);
    onTable?.();
  });
}

/** Lets in whom the table of the last run lets in, if there is one. */
export async function restoreCallers(following: Omit<FollowingCallers, 'signal'>): Promise<void> {
  const { keys, callersFile: path, logger } = following;
  await restoring(path, logger, async () => {
    const table = await readKept(path, callerTableSchema);
    if (table) keys.apply(table);
  });
}

async function restoring(path: string, logger: Logger, restore: () => Promise<void>): Promise<void> {
  try {
    await restore();
  } catch (error) {
    // The control plane has the table; a gateway that does not start because of its own copy would serve nobody.
    logger.error({ err: error, path }, `the kept table cannot be used: ${messageOf(error)}`);
  }
}

/** Keeps the routing table up to date until the gateway closes. */
export async function followRouting(following: Following): Promise<void> {
  const { router, controlPlane, routingFile, signal } = following;
  while (!signal.aborted) {
    await untilDone('routing table', following, async () => {
      const table: RoutingTable = await controlPlane.routing(router.version, signal);
      if (signal.aborted || table.version === router.version) return;
      // Kept first: a gateway that is killed in between starts again with what it was about to answer from.
      await writeRoutingFile(routingFile, table);
      await router.apply(table);
      following.onTable?.();
    });
  }
}

/** Keeps up to date who may call, until the gateway closes. */
export async function followCallers(following: FollowingCallers): Promise<void> {
  const { keys, controlPlane, callersFile, signal } = following;
  while (!signal.aborted) {
    await untilDone('table of callers', following, async () => {
      const table = await controlPlane.callers(keys.tag, signal);
      if (signal.aborted || table.tag === keys.tag) return;
      // In force first: a key that was revoked must not count for as long as a disk takes.
      keys.apply(table);
      await writeKept(callersFile, table);
    });
  }
}

const RETRY_CAP_MS = 5_000;

/** Tries until it succeeds or the gateway closes. */
export async function untilDone(what: string, retries: Retries, work: () => Promise<void>): Promise<void> {
  const { system, logger, signal } = retries;
  const outage = new Outage(system.clock);
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      if (outage.failed()) logger.warn({ what }, `the control plane cannot be used: ${messageOf(error)}`);
      await sleep(system.clock, backoffMs(failures, system.random, { baseMs: 200, capMs: RETRY_CAP_MS }), signal);
    }
  }
}
