import type { Kysely } from 'kysely';
import type { z } from 'zod';
import { defineErrors, type FieldIssue, type KedgeError } from '#core/errors';
import { canonicalJson } from '#core/json';
import type { Context, Database, Tx } from '#platform/db';
import type { AnyTables } from '#ports/sql';
import type { ResourceChange, ResourceDraft, ResourceView } from './contract.ts';
import { resourceApplied, resourceDeleted } from './events.ts';
import { findResource, insertResource, listResources, removeResource, updateResource, updateStatus } from './store.ts';

export const resourceErrors = defineErrors('resources', {
  invalid: { status: 400, title: 'A resource does not fit its schema' },
  'unknown-kind': { status: 400, title: 'No domain declares this kind of resource' },
  'missing-reference': { status: 400, title: 'A resource refers to one that does not exist' },
  'not-found': { status: 404, title: 'No such resource' },
  'in-use': { status: 409, title: 'Other resources refer to this one' },
});

/** A kind of resource, declared by the domain that owns it. */
export interface ResourceKind<Spec = unknown> {
  readonly kind: string;
  readonly schema: z.ZodType<Spec>;
  /** What the spec refers to; each must exist before this one is applied. */
  references?(spec: Spec): readonly { readonly kind: string; readonly name: string }[];
  /** Runs in the transaction that applies the resource. Throws to refuse it. */
  onApply?(tx: Tx, applied: AppliedResource<Spec>): Promise<void>;
  /**
   * Whether a resource still holds together, after it or one that it refers to was applied. Runs last in that
   * transaction, where `find` sees all that was applied with it. Throws to refuse all of it.
   */
  check?(tx: Tx, resource: { readonly name: string; readonly spec: Spec }, find: FindResource): Promise<void>;
  onDelete?(tx: Tx, name: string): Promise<void>;
}

export interface AppliedResource<Spec> {
  readonly name: string;
  readonly spec: Spec;
  readonly generation: number;
  readonly previous: Spec | undefined;
}

/** A resource as the transaction sees it. */
export type FindResource = (kind: string, name: string) => Promise<ResourceView | undefined>;

interface Checked {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly spec: Record<string, unknown>;
}

/**
 * What is wrong with a draft that its schema cannot tell, by places of its spec. Asked before anything is planned or
 * applied and outside the transaction, so it may ask other domains and read files.
 */
export type DraftVerifier = (draft: {
  readonly name: string;
  readonly spec: unknown;
}) => Promise<readonly FieldIssue[]>;

/** Resources are declared, never edited in place: applying the same declaration twice changes nothing. */
export class Resources {
  readonly #db: Database;
  readonly #kinds: ReadonlyMap<string, ResourceKind>;
  readonly #verifiers = new Map<string, DraftVerifier>();

  constructor(db: Database, kinds: readonly ResourceKind[]) {
    this.#db = db;
    this.#kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  /** Has the drafts of a kind verified by its domain, which is there only after its kinds are. */
  verify(kind: string, verifier: DraftVerifier): void {
    this.#verifiers.set(kind, verifier);
  }

  /**
   * Applies `drafts` in the order of their references, all or none. With `dryRun` it only says what would change.
   * Errors: `resources/invalid` with one field issue for each problem, `resources/unknown-kind`,
   * `resources/missing-reference`.
   */
  async apply(
    context: Context,
    drafts: readonly ResourceDraft[],
    { dryRun = false }: { readonly dryRun?: boolean } = {},
  ): Promise<ResourceChange[]> {
    refuseTwins(drafts);
    const inGivenOrder = drafts.map((draft, i) => this.#check(draft, i));
    for (const [i, item] of inGivenOrder.entries()) await this.#verify(item, i);
    const checked = this.#inOrder(inGivenOrder);
    if (dryRun) {
      await this.#requireReferences(this.#db.reader, checked);
      return Promise.all(checked.map((item) => planOf(this.#db.reader, item)));
    }
    return this.#db.react(context, async (tx) => {
      await this.#requireReferences(tx.db, checked);
      const changes: ResourceChange[] = [];
      for (const item of checked) changes.push(await this.#applyOne(tx, item));
      await this.#checkTogether(tx, changes);
      return changes;
    });
  }

  /** `db` is the transaction of a caller that is in one. */
  find(kind: string, name: string, db: Kysely<AnyTables> = this.#db.reader): Promise<ResourceView | undefined> {
    return findResource(db, kind, name);
  }

  /** As {@link find}, but a missing one is the error `resources/not-found`. */
  async get(kind: string, name: string): Promise<ResourceView> {
    const found = await this.find(kind, name);
    if (!found) throw notFound(kind, name);
    return found;
  }

  /** Resources of one kind or of all; `db` as in {@link find}. */
  list(kind?: string, db: Kysely<AnyTables> = this.#db.reader): Promise<ResourceView[]> {
    return listResources(db, kind);
  }

  /** Errors: `resources/not-found`, `resources/in-use`. */
  async remove(context: Context, kind: string, name: string): Promise<void> {
    await this.#db.transact(context, async (tx) => {
      if (!(await findResource(tx.db, kind, name))) throw notFound(kind, name);
      const user = (await this.list(undefined, tx.db)).find((other) =>
        this.#kinds
          .get(other.kind)
          ?.references?.(other.spec)
          .some((reference) => reference.kind === kind && reference.name === name),
      );
      if (user) throw resourceErrors['in-use'](`${kind} '${name}' is used by ${user.kind} '${user.name}'`);
      await removeResource(tx.db, kind, name);
      await this.#kinds.get(kind)?.onDelete?.(tx, name);
      tx.emit(resourceDeleted.draft(`${kind}/${name}`, {}));
      tx.audit(`${kind}/${name}`);
    });
  }

  /** Writes what was observed. Nobody declares a status, so it is neither audited nor counted as a generation. */
  setStatus(
    tx: Pick<Tx, 'db'>,
    subject: { kind: string; name: string },
    status: Record<string, unknown>,
  ): Promise<void> {
    return updateStatus(tx.db, subject.kind, subject.name, status);
  }

  #check(draft: ResourceDraft, index: number): Checked {
    const kind = this.#kinds.get(draft.kind);
    if (!kind) {
      const known = [...this.#kinds.keys()].join(', ');
      throw resourceErrors['unknown-kind'](
        `resources.${index}: '${draft.kind}' is not a kind; expected one of ${known}`,
      );
    }
    const parsed = kind.schema.safeParse(draft.spec);
    if (parsed.success) return { kind, name: draft.name, spec: parsed.data as Record<string, unknown> };
    throw invalidAt(
      draft,
      index,
      parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join('.'), message })),
    );
  }

  async #verify({ kind: { kind }, name, spec }: Checked, index: number): Promise<void> {
    const issues = (await this.#verifiers.get(kind)?.({ name, spec })) ?? [];
    if (issues.length > 0) throw invalidAt({ kind, name }, index, issues);
  }

  /** Referenced resources first. A cycle keeps its given order. */
  #inOrder(items: readonly Checked[]): Checked[] {
    const byKey = new Map(items.map((item) => [`${item.kind.kind}/${item.name}`, item]));
    const ordered: Checked[] = [];
    const seen = new Set<Checked>();
    const visit = (item: Checked): void => {
      if (seen.has(item)) return;
      seen.add(item);
      for (const { kind, name } of item.kind.references?.(item.spec) ?? []) {
        const target = byKey.get(`${kind}/${name}`);
        if (target) visit(target);
      }
      ordered.push(item);
    };
    items.forEach(visit);
    return ordered;
  }

  async #requireReferences(db: Kysely<AnyTables>, items: readonly Checked[]): Promise<void> {
    const declared = new Set(items.map((item) => `${item.kind.kind}/${item.name}`));
    for (const item of items) {
      for (const { kind, name } of item.kind.references?.(item.spec) ?? []) {
        if (declared.has(`${kind}/${name}`) || (await findResource(db, kind, name))) continue;
        throw resourceErrors['missing-reference'](
          `${item.kind.kind} '${item.name}' refers to ${kind} '${name}', which does not exist`,
        );
      }
    }
  }

  async #applyOne(tx: Tx, item: Checked): Promise<ResourceChange> {
    const plan = await planOf(tx.db, item);
    if (plan.change === 'none') return plan;
    const previous = await findResource(tx.db, item.kind.kind, item.name);
    const generation = (previous?.generation ?? 0) + 1;
    const row = { kind: item.kind.kind, name: item.name, spec: item.spec, generation };
    await (previous ? updateResource(tx, row) : insertResource(tx, row));
    await item.kind.onApply?.(tx, { name: item.name, spec: item.spec, generation, previous: previous?.spec });
    const subject = `${item.kind.kind}/${item.name}`;
    tx.emit(resourceApplied.draft(subject, { change: plan.change, generation }));
    tx.audit(subject, { change: plan.change, generation, fields: plan.fields });
    return plan;
  }

  /** Asks every resource that was applied, or refers to one that was, whether it still holds together. */
  async #checkTogether(tx: Tx, changes: readonly ResourceChange[]): Promise<void> {
    const applied = new Set(changes.filter(({ change }) => change !== 'none').map((c) => `${c.kind}/${c.name}`));
    const find: FindResource = (kind, name) => findResource(tx.db, kind, name);
    for (const kind of this.#kinds.values()) {
      if (!kind.check || applied.size === 0) continue;
      for (const { name, spec } of await listResources(tx.db, kind.kind)) {
        const keys = [{ kind: kind.kind, name }, ...(kind.references?.(spec) ?? [])].map((r) => `${r.kind}/${r.name}`);
        if (keys.some((key) => applied.has(key))) await kind.check(tx, { name, spec }, find);
      }
    }
  }
}

/** `issues` are at places of the spec. */
function invalidAt(
  { kind, name }: Pick<ResourceDraft, 'kind' | 'name'>,
  index: number,
  issues: readonly FieldIssue[],
): KedgeError {
  const fields = issues.map(({ path, message }) => ({
    path: `resources.${index}.spec${path === '' ? '' : `.${path}`}`,
    message,
  }));
  const first = fields[0] as FieldIssue;
  return resourceErrors.invalid(`${kind} '${name}': ${first.path}: ${first.message}`, fields);
}

function refuseTwins(drafts: readonly ResourceDraft[]): void {
  const firsts = new Map<string, number>();
  for (const [i, { kind, name }] of drafts.entries()) {
    const first = firsts.get(`${kind}/${name}`);
    if (first !== undefined) {
      const message = `${kind} '${name}' is declared twice, as resources.${first} and resources.${i}`;
      throw resourceErrors.invalid(message, [{ path: `resources.${i}.name`, message }]);
    }
    firsts.set(`${kind}/${name}`, i);
  }
}

function notFound(kind: string, name: string): KedgeError {
  return resourceErrors['not-found'](`there is no ${kind} named '${name}'`);
}

async function planOf(db: Kysely<AnyTables>, item: Checked): Promise<ResourceChange> {
  const found = await findResource(db, item.kind.kind, item.name);
  const fields = found ? differingPaths(found.spec, item.spec) : [];
  const change = !found ? 'create' : fields.length > 0 ? 'change' : 'none';
  return { kind: item.kind.kind, name: item.name, change, fields };
}

const PATHS_MAX = 50;

/** Paths at which two JSON values differ, as deep as both are objects. */
function differingPaths(a: unknown, b: unknown, path = ''): string[] {
  if (canonicalJson(a) === canonicalJson(b)) return [];
  if (!isPlainObject(a) || !isPlainObject(b)) return [path];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return keys.flatMap((key) => differingPaths(a[key], b[key], path ? `${path}.${key}` : key)).slice(0, PATHS_MAX);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
