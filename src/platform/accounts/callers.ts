import type { Clock } from '#core/clock';
import { sleepToBeat } from '#core/clock';
import { mayUse } from '#platform/access';
import type { Actor, Database } from '#platform/db';
import type { CallerTable } from './caller-table.ts';
import { hashOf } from './secrets.ts';
import { callersFingerprint, listBarred, listCallerKeys } from './store/callers.ts';

export interface CallersOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Tokens of the installation's own processes and of its first administrator. */
  readonly machines: ReadonlyMap<string, Actor>;
}

const PERMISSION = 'serving:predict';
const WAIT_MS = 25_000;
/** A revoked key is void in every gateway within this and the way there. */
const LOOK_MS = 1_000;

/** Tells gateways who may call them, by digests of keys, and tells them again with every change. */
export class Callers {
  readonly #options: CallersOptions;

  constructor(options: CallersOptions) {
    this.#options = options;
  }

  /** Who may call, once it is another table than the one with the tag `after`, or after some 25 seconds. */
  async poll(after: string): Promise<CallerTable> {
    const { db, clock } = this.#options;
    const deadlineMs = clock.monotonic() + WAIT_MS;
    for (;;) {
      // Read before the table, so that a change in between shows under a tag that is asked for again.
      const tag = await callersFingerprint(db.reader);
      if (tag !== after || clock.monotonic() >= deadlineMs) return this.#table(tag);
      await sleepToBeat(clock, LOOK_MS);
    }
  }

  async #table(tag: string): Promise<CallerTable> {
    const { db, clock, machines } = this.#options;
    const stored = await listCallerKeys(db.reader, clock.now());
    const keys = stored.map(({ hash, user, roles, expiresAt }) => {
      return { hash, expiresAt, actor: { id: `user:${user}`, roles } };
    });
    const tokens = [...machines].map(([token, actor]) => ({ hash: hashOf(token), expiresAt: null, actor }));
    return {
      tag,
      keys: [...tokens, ...keys]
        .filter(({ actor }) => mayUse(actor, PERMISSION))
        .map(({ hash, expiresAt, actor }) => ({ hash, expiresAt, actor: actor.id, groups: groupsOf(actor.roles) })),
      barred: await listBarred(db.reader),
    };
  }
}

function groupsOf(roles: readonly string[]): string[] {
  return roles.filter((role) => role.startsWith('group:'));
}
