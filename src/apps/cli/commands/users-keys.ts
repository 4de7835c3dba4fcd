import type { Command } from 'commander';
import { UsageError } from '../failure.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';

/** One's own keys, or with `--user` those of somebody else. */
export function keyCommands(program: Command): void {
  const keys = program.command('keys').description('keys for scripts and MLflow clients');
  const ofUser = (command: Command): Command =>
    connected(command).option('--user <name>', 'somebody else; for administrators');
  ofUser(keys.command('list').description('list keys')).action(
    withKedge(async (kedge, _args, options) => {
      const user = userOf(options);
      const { items } = user
        ? await kedge.accounts.listUserKeys({ params: { user } })
        : await kedge.session.listOwnKeys();
      if (options.json) return printJson(items);
      const rows = items.map((key) => [
        key.id,
        key.label,
        dayOf(key.createdAt),
        dayOf(key.expiresAt),
        dayOf(key.revokedAt),
      ]);
      process.stdout.write(`${formatTable(['key', 'label', 'created', 'expires', 'revoked'], rows)}\n`);
    }),
  );
  ofUser(keys.command('create').description('make a key, which is shown once'))
    .requiredOption('--label <text>', 'what it is for')
    .option('--days <count>', 'void after this many days; never unless told')
    .action(
      withKedge(async (kedge, _args, options) => {
        const user = userOf(options);
        const body = { label: String(options['label']), ...daysOf(options) };
        const made = user
          ? await kedge.accounts.createUserKey({ params: { user }, body })
          : await kedge.session.createOwnKey({ body });
        if (options.json) return printJson(made);
        process.stdout.write(`${made.key}\n`);
        process.stderr.write('Keep it now: nobody can read it again. MLflow takes it as MLFLOW_TRACKING_TOKEN.\n');
      }),
    );
  ofUser(keys.command('revoke <key>').description('revoke a key, at once')).action(
    withKedge(async (kedge, [key = ''], options) => {
      const user = userOf(options);
      const revoked = user
        ? await kedge.accounts.revokeUserKey({ params: { user, key } })
        : await kedge.session.revokeOwnKey({ params: { key } });
      if (options.json) return printJson(revoked);
      process.stdout.write(`revoked ${key}\n`);
    }),
  );
}

function userOf(options: CommandOptions): string | undefined {
  return options['user'] as string | undefined;
}

function daysOf(options: CommandOptions): { readonly days?: number } {
  const given = options['days'];
  if (given === undefined) return {};
  const days = Number(given);
  if (!Number.isInteger(days) || days < 1)
    throw new UsageError(`--days ${String(given)}: expected a whole number from 1`);
  return { days };
}

function dayOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString().slice(0, 10);
}
