import type { Clock } from '#core/clock';
import type { Context, Database } from '#platform/db';
import { accountErrors } from './errors.ts';
import type { Identities } from './identities.ts';
import { hashOf, isToken, newToken } from './secrets.ts';
import {
  deleteExpiredSessions,
  deleteOldestSessions,
  deleteSession,
  findSession,
  insertSession,
} from './store/sessions.ts';
import { updateUser } from './store/users.ts';

/** A working day and a little; after it one signs in again. */
export const SESSION_MS = 12 * 3_600_000;
const LINK_MS = 15 * 60_000;
const SESSIONS_MAX = 50;

export type SignIn = { readonly user: string; readonly password: string } | { readonly token: string };

export interface NewSession {
  readonly token: string;
  readonly actor: string;
  readonly expiresAt: number;
}

/** Sessions of the console, and the tokens that begin one once. */
export class Sessions {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #identities: Identities;

  constructor(db: Database, clock: Clock, identities: Identities) {
    this.#db = db;
    this.#clock = clock;
    this.#identities = identities;
  }

  /** Errors: `accounts/sign-in-refused`, `access/too-many-attempts`. */
  async signIn(action: string, given: SignIn, address: string): Promise<NewSession> {
    const actor = 'password' in given ? await this.#byPassword(given, address) : await this.#byToken(given.token);
    return this.begin(action, actor);
  }

  /** Begins a session for somebody of whom it is known who they are. */
  async begin(action: string, actor: string): Promise<NewSession> {
    const token = newToken();
    const context = { actor: { id: actor, roles: [] }, action };
    return this.#db.transact(context, async (tx) => {
      const expiresAt = tx.now + SESSION_MS;
      await deleteExpiredSessions(tx.db, tx.now);
      await insertSession(tx.db, { hash: hashOf(token), kind: 'session', actor, createdAt: tx.now, expiresAt });
      await deleteOldestSessions(tx.db, actor, SESSIONS_MAX);
      tx.audit(actor.replace(':', '/'), { expiresAt });
      return { token, actor, expiresAt };
    });
  }

  /** A token that begins one session for `actor` within a quarter of an hour. */
  async link(ctx: Context, actor: string): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const token = newToken();
    return this.#db.transact(ctx, async (tx) => {
      const expiresAt = tx.now + LINK_MS;
      await deleteExpiredSessions(tx.db, tx.now);
      await insertSession(tx.db, { hash: hashOf(token), kind: 'link', actor, createdAt: tx.now, expiresAt });
      await deleteOldestSessions(tx.db, actor, SESSIONS_MAX);
      tx.audit(actor.replace(':', '/'), { expiresAt });
      return { token, expiresAt };
    });
  }

  /** Ends the session of this token, if it is one. */
  async end(ctx: Context, token: string): Promise<boolean> {
    const ended = await this.#db.react(ctx, async (tx) => {
      if (!(await deleteSession(tx.db, hashOf(token)))) return false;
      const { id } = ctx.actor;
      if (id.startsWith('user:')) await updateUser(tx.db, id.slice('user:'.length), { voids: true, now: tx.now });
      tx.audit(id.replace(':', '/'));
      return true;
    });
    this.#identities.forgetSession(token);
    this.#identities.forget(ctx.actor.id);
    return ended;
  }

  async #byPassword({ user, password }: { readonly user: string; readonly password: string }, address: string) {
    const verified = await this.#identities.verifyPassword(user, password, address);
    if (!verified) throw accountErrors['sign-in-refused']('there is no such user with this password');
    return verified.actor;
  }

  async #byToken(token: string): Promise<string> {
    const actor = (await this.#consumeLink(token)) ?? (await this.#ownerOf(token));
    if (actor === undefined) throw accountErrors['sign-in-refused']('this token is not valid, or not any more');
    return actor;
  }

  async #ownerOf(token: string): Promise<string | undefined> {
    const sender = await this.#identities.authenticate({ token, loopback: false });
    return sender?.actor.id;
  }

  /** Of two who come with one link only the one who removes it gets in. */
  async #consumeLink(token: string): Promise<string | undefined> {
    if (!isToken(token)) return undefined;
    const link = await findSession(this.#db.reader, hashOf(token));
    if (link?.kind !== 'link') return undefined;
    const removed = await this.#db.maintain((tx) => deleteSession(tx.db, link.hash));
    return removed && link.expiresAt > this.#clock.now() ? link.actor : undefined;
  }
}
