import { DEFAULT_PROJECT, isAdministrator, type Level, objectAccess, type Sender } from '#platform/access';
import type { Context, Database } from '#platform/db';
import type { GrantView, ProjectView } from './contract.ts';
import { accountErrors } from './errors.ts';
import type { Identities } from './identities.ts';
import {
  countGrants,
  deleteGrant,
  findProject,
  insertProject,
  listGrants,
  listProjects,
  putGrant,
  type StoredGrant,
  type StoredProject,
  updateProject,
} from './store/projects.ts';
import type { Db } from './store/tables.ts';

/** All of a principal's grants are in memory while they are active. */
const GRANTS_MAX = 10_000;
const LIST_MAX = 1_000;

/** Whom a level is granted on what. */
export interface GrantRef {
  readonly principal: string;
  readonly project: string;
  /** The project as a whole unless told. */
  readonly object?: string | undefined;
}

/** Projects, which MLflow calls workspaces, and who holds which level in them. */
export class Projects {
  readonly #db: Database;
  readonly #identities: Identities;

  constructor(db: Database, identities: Identities) {
    this.#db = db;
    this.#identities = identities;
  }

  /** Those in which the sender has anything, by name. Archived ones are told to administrators only. */
  async list(sender: Sender): Promise<ProjectView[]> {
    const all = await listProjects(this.#db.reader);
    return all
      .filter(({ name, archived }) => isAdministrator(sender.actor) || (!archived && isIn(sender, name)))
      .map((project) => viewOfProject(project, sender));
  }

  /** Errors: `accounts/project-not-found`, also for a project in which the sender has nothing. */
  async get(sender: Sender, name: string): Promise<ProjectView> {
    const found = (await this.list(sender)).find((project) => project.name === name);
    if (!found) throw accountErrors['project-not-found'](`there is no project named '${name}'`);
    return found;
  }

  /** Errors: `accounts/project-exists`. */
  async create(
    ctx: Context,
    { name, description }: { readonly name: string; readonly description: string },
  ): Promise<ProjectView> {
    const created = await this.#db.transact(ctx, async (tx) => {
      if (await findProject(tx.db, name)) {
        throw accountErrors['project-exists'](`there is a project named '${name}' already`);
      }
      const project = { name, description, archived: false, createdAt: tx.now, updatedAt: tx.now };
      await insertProject(tx.db, project);
      tx.as({ ...ctx, project: name }).audit(`project/${name}`, { description });
      return { ...project, level: 'MANAGE' as const };
    });
    this.#identities.forget();
    return withoutTimes(created);
  }

  /** Errors: `accounts/project-not-found`, `accounts/project-fixed`. */
  async update(
    ctx: Context,
    name: string,
    change: { readonly description?: string | undefined; readonly archived?: boolean | undefined },
  ): Promise<ProjectView> {
    if (name === DEFAULT_PROJECT && change.archived) {
      throw accountErrors['project-fixed'](`'${DEFAULT_PROJECT}' cannot be archived`);
    }
    const updated = await this.#db.transact(ctx, async (tx) => {
      const project = await needProject(tx.db, name);
      const description = change.description ?? project.description;
      const next = { ...project, description, archived: change.archived ?? project.archived, updatedAt: tx.now };
      await updateProject(tx.db, next);
      tx.as({ ...ctx, project: name }).audit(`project/${name}`, {
        description: next.description,
        archived: next.archived,
      });
      return { ...next, level: 'MANAGE' as const };
    });
    this.#identities.forget();
    return withoutTimes(updated);
  }

  /** Who holds what on a project as a whole, or on one object. The first thousand. */
  async grants(project: string, object = ''): Promise<GrantView[]> {
    return (await listGrants(this.#db.reader, { project, object, limit: LIST_MAX })).map(viewOfGrant);
  }

  /** Errors: `accounts/project-not-found`, `accounts/grant-limit`. */
  async grant(ctx: Context, { principal, project, object = '' }: GrantRef, level: Level): Promise<GrantView> {
    const granted = await this.#db.transact(ctx, async (tx) => {
      await needProject(tx.db, project);
      if ((await countGrants(tx.db, principal)) >= GRANTS_MAX) {
        throw accountErrors['grant-limit'](`${principal} has ${GRANTS_MAX} grants: grant the project, or a group`);
      }
      const grant = { principal, project, object, level, createdAt: tx.now };
      await putGrant(tx.db, grant);
      tx.as({ ...ctx, project }).audit(subjectOf(project, object), { principal, level });
      return viewOfGrant(grant);
    });
    this.#forget(principal);
    return granted;
  }

  /** Errors: `accounts/grant-not-found`. */
  async withdraw(ctx: Context, { principal, project, object = '' }: GrantRef): Promise<GrantView> {
    const withdrawn = await this.#db.transact(ctx, async (tx) => {
      const [found] = (await listGrants(tx.db, { project, object, limit: LIST_MAX })).filter(
        (grant) => grant.principal === principal,
      );
      if (!found || !(await deleteGrant(tx.db, found))) {
        throw accountErrors['grant-not-found'](`${principal} was granted nothing on ${subjectOf(project, object)}`);
      }
      tx.as({ ...ctx, project }).audit(subjectOf(project, object), { principal, level: found.level });
      return viewOfGrant(found);
    });
    this.#forget(principal);
    return withdrawn;
  }

  /** What a group was granted concerns people of whom only they themselves say that they are in it. */
  #forget(principal: string): void {
    this.#identities.forget(principal.startsWith('user:') ? principal : undefined);
  }
}

function isIn({ actor, grants }: Sender, project: string): boolean {
  return grants.has(project) || objectAccess(actor, project, grants).projectLevel !== undefined;
}

async function needProject(db: Db, name: string): Promise<StoredProject> {
  const project = await findProject(db, name);
  if (!project) throw accountErrors['project-not-found'](`there is no project named '${name}'`);
  return project;
}

function viewOfProject(project: StoredProject, { actor, grants }: Sender): ProjectView {
  return withoutTimes({ ...project, level: objectAccess(actor, project.name, grants).projectLevel ?? null });
}

function withoutTimes({ name, description, archived, createdAt, level }: StoredProject & Pick<ProjectView, 'level'>) {
  return { name, description, archived, createdAt, level };
}

function viewOfGrant({ principal, project, object, level }: StoredGrant): GrantView {
  return { principal, project, object: object === '' ? null : object, level };
}

function subjectOf(project: string, object: string): string {
  return object === '' ? `project/${project}` : object;
}
