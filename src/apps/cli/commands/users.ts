import type { Command } from 'commander';
import type { Kedge } from '#client';
import { UsageError } from '../failure.ts';
import { readSecret } from '../secret.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';

const ROLES = ['admin', 'editor', 'approver', 'viewer', 'caller'] as const;
type Role = (typeof ROLES)[number];

export function userCommands(program: Command): void {
  const users = program.command('users').description('users of the platform; for administrators');
  connected(users.command('list').description('list users')).action(
    withKedge(async (kedge, _args, options) => {
      const { items } = await kedge.accounts.listUsers({ query: { limit: 1_000 } });
      if (options.json) return printJson(items);
      const rows = items.map((user) => [user.name, user.roles.join(', '), signsInBy(user), stateOf(user)]);
      process.stdout.write(`${formatTable(['user', 'roles', 'signs in by', 'state'], rows)}\n`);
    }),
  );
  connected(users.command('add <name>').description('add a user'))
    .option('--role <role...>', 'admin, editor, approver, viewer or caller; without one, only what is granted counts')
    .option('--password', 'ask for a password, or read it from what is piped in')
    .action(withKedge(addUser));
  connected(users.command('set <name>').description('change the roles or the password of a user'))
    .option('--role <role...>', 'all roles from now on: admin, editor, approver, viewer, caller')
    .option('--no-roles', 'no role at all')
    .option('--password', 'ask for a new password, or read it from what is piped in')
    .action(withKedge(setUser));
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    const what = disabled ? 'lock a user out at once; nothing of theirs is lost' : 'let a disabled user in again';
    connected(users.command(`${verb} <name>`).description(what)).action(
      withKedge(async (kedge, [name = ''], options) => {
        const user = await kedge.accounts.updateUser({ params: { user: name }, body: { disabled } });
        if (options.json) return printJson(user);
        process.stdout.write(`${verb}d '${name}'\n`);
      }),
    );
  }
}

async function addUser(kedge: Kedge, [name = '']: readonly string[], options: CommandOptions): Promise<void> {
  const password = options['password'] ? { password: await readSecret(`Password for ${name}: `) } : {};
  const user = await kedge.accounts.createUser({ body: { name, roles: rolesOf(options) ?? [], ...password } });
  if (options.json) return printJson(user);
  const how = user.hasPassword ? '' : `; give them a key: kedge keys create --user ${name} --label <what for>`;
  process.stdout.write(`added '${name}'${how}\n`);
}

async function setUser(kedge: Kedge, [name = '']: readonly string[], options: CommandOptions): Promise<void> {
  const roles = options['roles'] === false ? [] : rolesOf(options);
  const password = options['password'] ? { password: await readSecret(`New password for ${name}: `) } : {};
  const user = await kedge.accounts.updateUser({
    params: { user: name },
    body: { ...(roles ? { roles } : {}), ...password },
  });
  if (options.json) return printJson(user);
  process.stdout.write(`changed '${name}': ${user.roles.join(', ') || 'no roles'}\n`);
}

function rolesOf(options: CommandOptions): Role[] | undefined {
  const given = options['role'] as readonly string[] | undefined;
  return given?.map((role) => {
    const known = ROLES.find((one) => one === role);
    if (known) return known;
    throw new UsageError(`--role ${role}: expected ${ROLES.join(', ')}`);
  });
}

function signsInBy(user: { readonly issuer: string | null; readonly hasPassword: boolean }): string {
  return user.issuer ?? (user.hasPassword ? 'password' : 'keys');
}

function stateOf(user: { readonly disabled: boolean }): string {
  return user.disabled ? 'disabled' : 'active';
}
