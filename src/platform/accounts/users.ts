import type { Context, Database } from '#platform/db';
import { type KeyView, RESERVED_USER_NAMES, type UserView } from './contract.ts';
import { accountErrors } from './errors.ts';
import type { Identities } from './identities.ts';
import { assertStrong, hashPassword } from './passwords.ts';
import { newKey } from './secrets.ts';
import { findKey, insertKey, listKeys, revokeKey, type StoredKey } from './store/keys.ts';
import { deleteSessionsOf } from './store/sessions.ts';
import type { Db } from './store/tables.ts';
import { findIdentity, findUser, insertUser, listUsers, type StoredUser, updateUser } from './store/users.ts';

const KEYS_MAX = 100;
const DAY_MS = 86_400_000;
const NAMESAKES_MAX = 100;

export interface UserDraft {
  readonly name: string;
  readonly roles: readonly string[];
  readonly password?: string | undefined;
}

export interface UserChanges {
  readonly roles?: readonly string[] | undefined;
  readonly disabled?: boolean | undefined;
  readonly password?: string | undefined;
}

/** A user as an identity provider tells of them. */
export interface ForeignUser {
  readonly issuer: string;
  readonly subject: string;
  /** A name for people; made to fit, and made different from that of any other user. */
  readonly name: string;
  /** Undefined when it does not say: then those of before stay. */
  readonly roles: readonly string[] | undefined;
}

/** Users and their keys. A user is never removed, only disabled: the audit log goes on naming them. */
export class Users {
  readonly #db: Database;
  readonly #identities: Identities;

  constructor(db: Database, identities: Identities) {
    this.#db = db;
    this.#identities = identities;
  }

  async list({ after = '', limit }: { readonly after?: string | undefined; readonly limit: number }) {
    const users = await listUsers(this.#db.reader, after, limit + 1);
    const items = users.slice(0, limit).map(viewOfUser);
    return { items, ...(users.length > limit ? { next: items.at(-1)?.name ?? '' } : {}) };
  }

  /** Errors: `accounts/user-exists`, `accounts/user-invalid`, `accounts/password-weak`. */
  async create(ctx: Context, { name, roles, password }: UserDraft): Promise<UserView> {
    if (RESERVED_USER_NAMES.has(name))
      throw accountErrors['user-invalid'](`name: '${name}' is a name of the platform itself`);
    if (password !== undefined) assertStrong(password, name);
    const hash = password === undefined ? null : await hashPassword(password);
    return this.#db.transact(ctx, async (tx) => {
      if (await findUser(tx.db, name)) throw accountErrors['user-exists'](`there is a user named '${name}' already`);
      const user = newUser({ name, roles, password: hash, now: tx.now });
      await insertUser(tx.db, user);
      tx.audit(`user/${name}`, { roles: [...new Set(roles)], password: hash !== null });
      return viewOfUser(user);
    });
  }

  /** Errors: `accounts/user-not-found`, `accounts/password-weak`, `accounts/user-external`. */
  async update(ctx: Context, name: string, changes: UserChanges): Promise<UserView> {
    const { roles, disabled, password } = changes;
    if (password !== undefined) assertStrong(password, name);
    const hash = password === undefined ? undefined : await hashPassword(password);
    const updated = await this.#db.transact(ctx, async (tx) => {
      const user = await needUser(tx.db, name);
      if (user.issuer !== null && (hash !== undefined || roles)) {
        throw accountErrors['user-external'](`'${name}' signs in at ${user.issuer}, which says their roles`);
      }
      const voids = hash !== undefined || disabled !== undefined;
      await updateUser(tx.db, name, { roles, disabled, password: hash, voids, now: tx.now });
      if (voids) await deleteSessionsOf(tx.db, `user:${name}`);
      const told = { ...(roles ? { roles } : {}), ...(disabled === undefined ? {} : { disabled }) };
      tx.audit(`user/${name}`, { ...told, password: hash !== undefined });
      return viewOfUser(await needUser(tx.db, name));
    });
    this.#identities.forget(`user:${name}`);
    return updated;
  }

  /** Errors: `accounts/user-not-found`. */
  async keys(name: string): Promise<KeyView[]> {
    await needUser(this.#db.reader, name);
    return (await listKeys(this.#db.reader, name)).map(viewOfKey);
  }

  /** A key that nobody can read again. Errors: `accounts/user-not-found`, `accounts/key-limit`. */
  async createKey(
    ctx: Context,
    name: string,
    { label, days }: { readonly label: string; readonly days?: number | undefined },
  ): Promise<KeyView & { readonly key: string }> {
    return this.#db.transact(ctx, async (tx) => {
      await needUser(tx.db, name);
      const live = (await listKeys(tx.db, name)).filter((key) => isLive(key, tx.now));
      if (live.length >= KEYS_MAX) throw accountErrors['key-limit'](`'${name}' has ${KEYS_MAX} keys: revoke one first`);
      const { id, key, hash } = newKey();
      const expiresAt = days === undefined ? null : tx.now + days * DAY_MS;
      const stored = { id, user: name, label, hash, createdAt: tx.now, expiresAt, revokedAt: null };
      await insertKey(tx.db, stored);
      tx.audit(`user/${name}`, { key: id, label, expiresAt });
      return { ...viewOfKey(stored), key };
    });
  }

  /** Errors: `accounts/key-not-found`. */
  async revokeKey(ctx: Context, name: string, id: string): Promise<KeyView> {
    const revoked = await this.#db.transact(ctx, async (tx) => {
      const key = await findKey(tx.db, id);
      if (key?.user !== name) throw accountErrors['key-not-found'](`'${name}' has no key '${id}'`);
      await revokeKey(tx.db, id, tx.now);
      await updateUser(tx.db, name, { voids: true, now: tx.now });
      tx.audit(`user/${name}`, { key: id, label: key.label });
      return viewOfKey({ ...key, revokedAt: key.revokedAt ?? tx.now });
    });
    this.#identities.forget(`user:${name}`);
    return revoked;
  }

  /**
   * The user whom an identity provider vouches for, made when they come for the first time, with the roles that it says
   * now. Errors: `accounts/sign-in-refused` for one who was disabled here.
   */
  async provision({ issuer, subject, name, roles }: ForeignUser): Promise<StoredUser> {
    const known = await findIdentity(this.#db.reader, issuer, subject);
    if (known && (roles === undefined || sameRoles(known.roles, roles))) return enabled(known);
    const context = { actor: { id: 'system:accounts', roles: ['system'] }, action: 'user.provision' };
    const user = await this.#db.transact(context, async (tx) => {
      const again = await findIdentity(tx.db, issuer, subject);
      const free = again?.name ?? (await freeName(tx.db, name));
      if (again) await updateUser(tx.db, free, { roles, voids: false, now: tx.now });
      else {
        const draft = { name: free, roles: roles ?? [], password: null, now: tx.now };
        await insertUser(tx.db, { ...newUser(draft), issuer, subject });
      }
      tx.audit(`user/${free}`, { issuer, roles: [...(roles ?? [])] });
      return needUser(tx.db, free);
    });
    this.#identities.forget(`user:${user.name}`);
    return enabled(user);
  }
}

function newUser(draft: {
  readonly name: string;
  readonly roles: readonly string[];
  readonly password: string | null;
  readonly now: number;
}): StoredUser {
  const { name, password, now } = draft;
  const roles = [...new Set(draft.roles)];
  const fixed = { issuer: null, subject: null, disabled: false, credentialsVersion: 1 };
  return { ...fixed, name, roles, password, createdAt: now, updatedAt: now };
}

/** A name that fits and that nobody has: a provider's names are chosen by its users, and must not be another's here. */
async function freeName(db: Db, wanted: string): Promise<string> {
  const cleaned = wanted
    .toLowerCase()
    .replace(/[^a-z0-9._@+-]+/g, '-')
    .slice(0, 90)
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  const base = cleaned || 'user';
  for (let count = 1; count <= NAMESAKES_MAX; count++) {
    const name = count === 1 ? base : `${base}-${count}`;
    if (!RESERVED_USER_NAMES.has(name) && !(await findUser(db, name))) return name;
  }
  throw accountErrors['user-exists'](`there are ${NAMESAKES_MAX} users named '${base}' already`);
}

function enabled(user: StoredUser): StoredUser {
  if (user.disabled) throw accountErrors['sign-in-refused'](`'${user.name}' is disabled here`);
  return user;
}

function sameRoles(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((role, i) => role === b[i]);
}

async function needUser(db: Db, name: string): Promise<StoredUser> {
  const user = await findUser(db, name);
  if (!user) throw accountErrors['user-not-found'](`there is no user named '${name}'`);
  return user;
}

function isLive(key: StoredKey, now: number): boolean {
  return key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}

function viewOfUser(user: StoredUser): UserView {
  const { name, roles, issuer, disabled, createdAt } = user;
  return {
    name,
    actor: `user:${name}`,
    roles: [...roles],
    hasPassword: user.password !== null,
    issuer,
    disabled,
    createdAt,
  };
}

function viewOfKey({ id, user, label, createdAt, expiresAt, revokedAt }: StoredKey): KeyView {
  return { id, user, label, createdAt, expiresAt, revokedAt };
}
