import { RESERVED_USER_NAMES, userName } from '#platform/accounts/contract';
import { SourceError, type SourcePermission } from './source.ts';
import type { ImportPlan } from './tracking-import.ts';

const LEVELS = ['READ', 'USE', 'EDIT', 'MANAGE'] as const;
const DEFAULT_PROJECT = 'default';
const DENIALS = ['DENY', 'NO_PERMISSIONS'];

/**
 * Brings in the users of a server with basic authentication, and which level they hold on which experiment and
 * registered model, also by roles. Passwords stay behind, which no server tells: nobody can sign in before an
 * administrator has set one. Nobody is given a role of the platform, and what is granted here already stays.
 */
export async function importUsers(plan: ImportPlan): Promise<void> {
  const { source, target, report, dryRun } = plan;
  const users = await source.users();
  if (!users) {
    report.notes.push('the source has no users: it runs without the app basic-auth, or is a folder');
    return;
  }
  const here = await usersHere(plan);
  const experiments = await experimentsHere(plan);
  for (const user of users) {
    report.users.found += 1;
    const name = user.username.toLowerCase();
    if (RESERVED_USER_NAMES.has(name)) {
      report.notes.push(`user '${name}' stays behind with what it holds: that is a name of the platform itself`);
      continue;
    }
    await report.attempt(`user '${user.username}'`, async () => {
      const { success, error } = userName.safeParse(name);
      if (!success) throw new SourceError(error.issues[0]?.message ?? 'no name of a user');
      if (!here.has(name)) {
        if (!dryRun) await target.kedge.accounts.createUser({ body: { name, roles: [] } });
        report.users.made += 1;
        report.notes.push(`user '${name}' has no password: set one, or make a key`);
      }
      if (user.is_admin) report.notes.push(`user '${name}' is an administrator there, and has no role here`);
      const permissions = (user.roles ?? []).flatMap((role) => role.permissions ?? []);
      for (const permission of permissions) {
        report.grants.found += 1;
        const told = `${permission.permission} on ${permission.resource_type} '${permission.resource_pattern}'`;
        const grant = grantOf(permission, { experiments, among: permissions });
        if (typeof grant === 'string') report.notes.push(`user '${name}': ${told} stays behind: ${grant}`);
        else await putGrant(plan, { principal: `user:${name}`, ...grant });
      }
    });
  }
}

interface Grant {
  readonly object: string;
  readonly level: (typeof LEVELS)[number];
}

/**
 * The grant that a permission is here, or why there is none: what is denied there by another of the user's permissions
 * is not granted here, where nothing can be denied. `experiments` has the id here by the one there.
 */
export function grantOf(
  { resource_type: type, resource_pattern: pattern, permission }: SourcePermission,
  of: { readonly experiments: ReadonlyMap<string, string>; readonly among: readonly SourcePermission[] },
): Grant | string {
  const level = LEVELS.find((one) => one === permission);
  if (level === undefined) return 'here nothing is denied, only not granted';
  const isDenied = of.among.some(
    (one) => DENIALS.includes(one.permission) && one.resource_type === type && covers(one.resource_pattern, pattern),
  );
  if (isDenied) return 'it is denied there as well';
  if (pattern.includes('*')) return 'grant it on the project, if it is meant for all of it';
  if (type === 'registered_model') return { object: `model/${pattern}`, level };
  if (type !== 'experiment') return 'there is no such object here';
  const id = of.experiments.get(pattern);
  return id === undefined ? 'that experiment was not brought in' : { object: `experiment/${id}`, level };
}

/** Whether a pattern, in which `*` is any text, covers a name. */
function covers(pattern: string, name: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return pattern === name;
  // In MLflow the asterisk stands at the end, or alone; what lies between two is taken to cover all.
  return name.startsWith(first) && (others.length > 0 || name.slice(first.length).endsWith(last));
}

/** Grants the level, unless as much is granted here already. */
async function putGrant(
  { target, report, dryRun }: ImportPlan,
  grant: Grant & { readonly principal: string },
): Promise<void> {
  const params = { project: target.project ?? DEFAULT_PROJECT };
  const { object, principal, level } = grant;
  // In a dry run the object may not be here yet, and nobody has anything on it.
  const { items } = await target.kedge.session.listGrants({ params, query: { object } }).catch((error: unknown) => {
    if (dryRun) return { items: [] };
    throw error;
  });
  const held = items.find((one) => one.principal === principal);
  if (held && LEVELS.indexOf(held.level) >= LEVELS.indexOf(level)) return;
  if (!dryRun) await target.kedge.session.putGrant({ params, body: grant });
  report.grants.made += 1;
}

async function usersHere({ target }: ImportPlan): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let after: string | undefined; ; ) {
    const page = await target.kedge.accounts.listUsers({ query: { limit: 1_000, ...(after ? { after } : {}) } });
    for (const { name } of page.items) names.add(name);
    if (page.next === undefined) return names;
    after = page.next;
  }
}

/** Experiments are known by name, and have ids of each server. */
async function experimentsHere({ source, target, dryRun }: ImportPlan): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>();
  for await (const { experiment_id: there, name } of source.experiments()) {
    const { items } = await target.kedge.tracking.listExperiments({ query: { name } });
    const [found] = items;
    if (found || dryRun) ids.set(there, found?.id ?? 'new');
  }
  return ids;
}
