import { hostname } from 'node:os';
import type { Command } from 'commander';
import { connect } from '#client';
import { connectFrom, urlOf } from '../connection.ts';
import { savedKey, saveKey } from '../credentials.ts';
import { explainFailure, UsageError } from '../failure.ts';
import { readSecret } from '../secret.ts';
import { connected, printJson, withKedge } from './connected.ts';

const KEY_DAYS = 90;

interface LoginOptions {
  readonly url?: string;
  readonly user?: string;
  readonly data?: string;
  readonly token?: string;
  readonly link?: boolean;
}

export function loginCommands(program: Command): void {
  connected(program.command('login').description('sign in to a control plane, for this and later commands'))
    .option('--user <name>', 'who signs in; the password is asked for, or read from what is piped in')
    .option('--link', 'as administrator, print a link that signs in to the console once')
    .action(async (options: LoginOptions) => {
      try {
        await (options.link ? printLink(options) : login(options));
      } catch (error) {
        explainFailure(error);
      }
    });
  connected(program.command('logout').description('revoke the key that login kept, and forget it')).action(
    withKedge(async (kedge, _args, options) => {
      const url = urlOf(options);
      const saved = savedKey(url);
      if (!saved) throw new UsageError(`there is nothing kept for ${url}: kedge login`);
      await kedge.session.revokeOwnKey({ params: { key: saved.id } }).finally(() => saveKey(url, undefined));
      process.stdout.write(`signed out of ${url}\n`);
    }),
  );
  connected(program.command('whoami').description('show who one is, with which roles and in which projects')).action(
    withKedge(async (kedge, _args, options) => {
      const session = await kedge.session.getSession();
      if (options.json) return printJson(session);
      const projects = session.projects.map(({ name, level }) => `${name} (${level ?? 'single objects'})`).join(', ');
      const roles = session.roles.join(', ') || 'none';
      process.stdout.write(`${session.actor}\n  roles     ${roles}\n  projects  ${projects || 'none'}\n`);
    }),
  );
}

/** Makes a key with the password, and keeps the key: the password is nowhere afterwards. */
async function login(options: LoginOptions): Promise<void> {
  const { user } = options;
  if (user === undefined) throw new UsageError('--user <name>: expected who signs in (or --link for the console)');
  const url = urlOf(options);
  const password = await readSecret(`Password of ${user} at ${url}: `);
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const kedge = connect({
    url,
    fetch: (input, init) => fetch(input, { ...init, headers: { ...(init?.headers as object), authorization } }),
  });
  const label = `kedge login on ${hostname()}`.slice(0, 100);
  const { id, key } = await kedge.session.createOwnKey({ body: { label, days: KEY_DAYS } });
  saveKey(url, { user, id, key });
  process.stdout.write(`signed in to ${url} as ${user}, for ${KEY_DAYS} days\n`);
}

async function printLink(options: LoginOptions): Promise<void> {
  const kedge = connectFrom(options);
  const { token } = await kedge.accounts.createSignInLink();
  process.stdout.write(`${kedge.url}/sign-in#${token}\n`);
}
