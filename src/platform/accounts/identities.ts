import { hash, randomBytes } from 'node:crypto';
import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import { KedgeError } from '#core/errors';
import {
  type Authenticator,
  DEFAULT_PROJECT,
  highest,
  type Level,
  localSender,
  NO_GRANTS,
  type Presented,
  type Sender,
} from '#platform/access';
import type { Actor, Database } from '#platform/db';
import { PasswordChecks } from './password-checks.ts';
import { equalHashes, hashOf, isToken, keyIdOf } from './secrets.ts';
import { findKey } from './store/keys.ts';
import { grantsOfPrincipals, listProjects, type StoredGrant } from './store/projects.ts';
import { findSession } from './store/sessions.ts';
import { findUser } from './store/users.ts';
import { Throttle } from './throttle.ts';

/** Credentials that were found good. */
export interface Verified {
  /** Whose they are, as the id of an actor. */
  readonly actor: string;
  /** That of the user's credentials when these were verified; 0 for the platform's own tokens. */
  readonly version: number;
  /** When they end by themselves, in epoch milliseconds. */
  readonly expiresAt: number | null;
}

export interface IdentityOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Tokens of the installation's own processes and of its first administrator. */
  readonly machines: ReadonlyMap<string, Actor>;
  /** The role of requests from this machine without credentials, where those are allowed. */
  readonly localRole?: string | undefined;
  /** Tokens that an identity provider signed. */
  readonly verifyForeignToken?: (token: string) => Promise<Verified | undefined>;
}

/** How old what is remembered of users, grants and projects may be where another process changed it. */
const FRESH_MS = 5_000;
/** How long verified credentials are remembered; whatever voids them sooner is seen with their user. */
const VERIFIED_MS = 600_000;
const ENTRIES_MAX = 10_000;

interface Known {
  readonly actor: string;
  readonly version: number;
  readonly until: number;
}

interface Person {
  readonly sender: Sender;
  readonly version: number;
  readonly until: number;
}

/**
 * Finds out who sends a request. What was verified is remembered by the hash of the credentials, and what is known of a
 * user by their name, so that a request usually costs a hash and two looks into memory. Changes made by this process
 * take effect with the next request, those of others within five seconds.
 */
export class Identities implements Authenticator {
  readonly #options: IdentityOptions;
  readonly #local: Sender | undefined;
  readonly #salt = randomBytes(16).toString('hex');
  readonly #machines = new Map<string, Sender>();
  readonly #machinesById = new Map<string, Sender>();
  readonly #verified = new BoundedCache<Known>(ENTRIES_MAX);
  readonly #people = new BoundedCache<Person>(ENTRIES_MAX);
  readonly #pending = new Map<string, Promise<Sender | undefined>>();
  readonly #throttle: Throttle;
  readonly #passwords = new PasswordChecks();
  #projects: { readonly names: ReadonlySet<string>; readonly until: number } = { names: new Set(), until: 0 };
  /** Counts changes, so that what was read before one is not remembered after it. */
  #changes = 0;

  constructor(options: IdentityOptions) {
    this.#options = options;
    this.#local = options.localRole === undefined ? undefined : localSender(options.localRole);
    this.#throttle = new Throttle(options.clock);
    for (const [token, actor] of options.machines) {
      const sender = { actor, grants: NO_GRANTS };
      this.#machines.set(this.#keyOf(`token ${token}`), sender);
      this.#machinesById.set(actor.id, sender);
    }
  }

  get allowsLocal(): boolean {
    return this.#local !== undefined;
  }

  authenticate(presented: Presented): Sender | undefined | Promise<Sender | undefined> {
    const secret = secretOf(presented);
    if (secret === undefined) return presented.loopback ? this.#local : undefined;
    const key = this.#keyOf(secret);
    const machine = this.#machines.get(key);
    if (machine) return machine;
    const now = this.#options.clock.monotonic();
    const known = this.#verified.get(key);
    if (known && known.until > now) {
      const person = this.#people.get(known.actor);
      if (person && person.until > now && person.version === known.version) return person.sender;
    }
    return this.#onceAtATime(key, presented);
  }

  hasProject(name: string): boolean | Promise<boolean> {
    if (name === DEFAULT_PROJECT) return true;
    if (this.#projects.until > this.#options.clock.monotonic()) return this.#projects.names.has(name);
    return this.#loadProjects().then((names) => names.has(name));
  }

  /** What is known of somebody now; undefined for a user who is disabled or not there. */
  async senderOf(actor: string): Promise<Sender | undefined> {
    return (await this.#person(actor))?.sender;
  }

  /**
   * The user of a name and password. Takes as long for a user who is not there.
   * Errors: `access/too-many-attempts`.
   */
  async verifyPassword(name: string, password: string, address = ''): Promise<Verified | undefined> {
    this.#throttle.check(name, address);
    const user = name.length <= 100 ? await findUser(this.#options.db.reader, name) : undefined;
    const isRight = await this.#passwords.verify(password, user?.password ?? null);
    if (user && isRight && !user.disabled) {
      this.#throttle.succeeded(name, address);
      return { actor: `user:${name}`, version: user.credentialsVersion, expiresAt: null };
    }
    this.#throttle.failed(name, address);
    return undefined;
  }

  /** Forgets what is known of an actor, or of everybody, after it was changed. */
  forget(actor?: string): void {
    this.#changes += 1;
    this.#projects = { ...this.#projects, until: 0 };
    if (actor === undefined) this.#people.clear();
    else this.#people.delete(actor);
  }

  /** Forgets a session that was ended. */
  forgetSession(token: string): void {
    this.#verified.delete(this.#keyOf(`session ${token}`));
  }

  #keyOf(secret: string): string {
    return hash('sha256', this.#salt + secret, 'base64url');
  }

  /** Requests that come at the same time with the same new credentials wait for one verification. */
  #onceAtATime(key: string, presented: Presented): Promise<Sender | undefined> {
    const pending = this.#pending.get(key);
    if (pending) return pending;
    const lookedUp = this.#lookUp(key, presented).finally(() => this.#pending.delete(key));
    this.#pending.set(key, lookedUp);
    return lookedUp;
  }

  async #lookUp(key: string, presented: Presented): Promise<Sender | undefined> {
    const { clock } = this.#options;
    const remembered = this.#verified.get(key);
    if (remembered && remembered.until > clock.monotonic()) {
      const person = await this.#person(remembered.actor);
      if (person?.version === remembered.version) return person.sender;
    }
    this.#verified.delete(key);
    const found = await this.#verify(presented);
    const person = found && (await this.#person(found.actor));
    if (!found || person?.version !== found.version) return undefined;
    const endsInMs = found.expiresAt === null ? VERIFIED_MS : found.expiresAt - clock.now();
    // Nothing that counts up voids a session of the platform's own tokens, so it is looked up again sooner.
    const keptMs = this.#machinesById.has(found.actor) ? FRESH_MS : VERIFIED_MS;
    const until = clock.monotonic() + Math.min(keptMs, endsInMs);
    this.#verified.set(key, { actor: found.actor, version: found.version, until });
    return person.sender;
  }

  async #verify({ token, basic, session, address }: Presented): Promise<Verified | undefined> {
    if (token !== undefined) return this.#verifyToken(token);
    if (basic) return this.#verifyBasic(basic.user, basic.password, address);
    return session === undefined ? undefined : this.#verifySession(session);
  }

  async #verifyToken(token: string): Promise<Verified | undefined> {
    const id = keyIdOf(token);
    if (id !== undefined) return this.#verifyKey(id, token);
    return token.split('.').length === 3 ? this.#options.verifyForeignToken?.(token) : undefined;
  }

  async #verifyKey(id: string, text: string): Promise<Verified | undefined> {
    const { db, clock } = this.#options;
    const key = await findKey(db.reader, id);
    if (!key || !equalHashes(key.hash, hashOf(text)) || key.revokedAt !== null) return undefined;
    if (key.expiresAt !== null && key.expiresAt <= clock.now()) return undefined;
    const user = await findUser(db.reader, key.user);
    if (!user) return undefined;
    return { actor: `user:${key.user}`, version: user.credentialsVersion, expiresAt: key.expiresAt };
  }

  /** A key or a token of the platform may stand for the password, as MLflow's clients have fields for those two. */
  async #verifyBasic(user: string, password: string, address: string | undefined): Promise<Verified | undefined> {
    const machine = this.#machines.get(this.#keyOf(`token ${password}`));
    if (machine) return machine.actor.id === `user:${user}` ? ofMachine(machine.actor.id) : undefined;
    const id = keyIdOf(password);
    if (id !== undefined) {
      const verified = await this.#verifyKey(id, password);
      return verified?.actor === `user:${user}` ? verified : undefined;
    }
    try {
      return await this.verifyPassword(user, password, address);
    } catch (error) {
      // MLflow's clients ask again for minutes when they are told to wait; a refusal they show at once.
      if (error instanceof KedgeError && error.status === 429) return undefined;
      throw error;
    }
  }

  async #verifySession(token: string): Promise<Verified | undefined> {
    if (!isToken(token)) return undefined;
    const { db, clock } = this.#options;
    const session = await findSession(db.reader, hashOf(token));
    if (session?.kind !== 'session' || session.expiresAt <= clock.now()) return undefined;
    if (this.#machinesById.has(session.actor)) return { ...ofMachine(session.actor), expiresAt: session.expiresAt };
    const user = await findUser(db.reader, session.actor.replace(/^user:/, ''));
    return user && { actor: session.actor, version: user.credentialsVersion, expiresAt: session.expiresAt };
  }

  async #person(actor: string): Promise<Person | undefined> {
    const { db, clock } = this.#options;
    const machine = this.#machinesById.get(actor);
    const remembered = this.#people.get(actor);
    if (remembered && remembered.until > clock.monotonic()) return remembered;
    const changes = this.#changes;
    const person = machine ? { sender: machine, version: 0 } : await loadPerson(db, actor);
    if (!person) return undefined;
    const fresh = { ...person, until: clock.monotonic() + FRESH_MS };
    if (changes === this.#changes) this.#people.set(actor, fresh);
    return fresh;
  }

  async #loadProjects(): Promise<ReadonlySet<string>> {
    const { db, clock } = this.#options;
    const changes = this.#changes;
    const projects = await listProjects(db.reader);
    const names = new Set(projects.filter((project) => !project.archived).map((project) => project.name));
    if (changes === this.#changes) this.#projects = { names, until: clock.monotonic() + FRESH_MS };
    return names;
  }
}

function secretOf({ token, basic, session }: Presented): string | undefined {
  if (token !== undefined) return `token ${token}`;
  if (basic !== undefined) return `basic ${basic.user}:${basic.password}`;
  return session === undefined ? undefined : `session ${session}`;
}

function ofMachine(actor: string): Verified {
  return { actor, version: 0, expiresAt: null };
}

async function loadPerson(db: Database, actor: string): Promise<Omit<Person, 'until'> | undefined> {
  const user = await findUser(db.reader, actor.replace(/^user:/, ''));
  if (!user || user.disabled) return undefined;
  const groups = user.roles.filter((role) => role.startsWith('group:'));
  const grants = grantsByProject(await grantsOfPrincipals(db.reader, [actor, ...groups]));
  return { sender: { actor: { id: actor, roles: user.roles }, grants }, version: user.credentialsVersion };
}

function grantsByProject(rows: readonly StoredGrant[]): Sender['grants'] {
  const grants = new Map<string, { level: Level | undefined; objects: Map<string, Level> }>();
  for (const { project, object, level } of rows) {
    const entry = grants.get(project) ?? { level: undefined, objects: new Map<string, Level>() };
    grants.set(project, entry);
    if (object === '') entry.level = highest([entry.level, level]);
    else entry.objects.set(object, highest([entry.objects.get(object), level]) ?? level);
  }
  return grants;
}
