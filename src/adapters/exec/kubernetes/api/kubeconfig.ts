import { execFile } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf } from '#core/errors';
import { type ClusterAccess, type Credentials, kubernetesErrors, readText } from './access.ts';

const cluster = z.object({
  server: z.url(),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.string().optional(),
  'tls-server-name': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'proxy-url': z.string().optional(),
});

const command = z.object({
  apiVersion: z.enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});

const user = z.object({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  exec: command.optional(),
  username: z.string().optional(),
  'auth-provider': z.unknown().optional(),
});

const context = z.object({ cluster: z.string(), user: z.string().optional(), namespace: z.string().optional() });

const kubeconfig = z.object({
  'current-context': z.string().optional(),
  clusters: z.array(z.object({ name: z.string(), cluster })).nullish(),
  users: z.array(z.object({ name: z.string(), user: user.nullish() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context })).nullish(),
});

const credential = z.object({
  kind: z.literal('ExecCredential'),
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.iso.datetime({ offset: true }).optional(),
  }),
});

type Cluster = z.infer<typeof cluster>;
type User = z.infer<typeof user>;

const COMMAND_MS_MAX = 60_000;

export interface KubeconfigOptions {
  readonly path: string;
  /** The file's `current-context` without it. */
  readonly context?: string;
  /** What commands that fetch credentials get as their environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Access by a kubeconfig file: certificates, tokens, and commands that fetch credentials (`exec`). A cluster whose
 * certificate would not be checked is refused, and so is what needs a proxy or a password.
 */
export async function kubeconfigAccess(options: KubeconfigOptions): Promise<ClusterAccess> {
  const refuse = (why: string): Error => kubernetesErrors['invalid-config'](`kubeconfig '${options.path}': ${why}`);
  const file = parseConfig(await readText(options.path), refuse);
  const named = <T extends { name: string }>(kind: string, list: readonly T[] | null | undefined, name: string): T => {
    const found = list?.find((entry) => entry.name === name);
    if (!found) throw refuse(`it has no ${kind} '${name}'`);
    return found;
  };
  const contextName = options.context ?? file['current-context'];
  if (!contextName) throw refuse('it has no current context, and none is named');
  const { context: chosen } = named('context', file.contexts, contextName);
  const { cluster: target } = named('cluster', file.clusters, chosen.cluster);
  const account = chosen.user === undefined ? {} : (named('user', file.users, chosen.user).user ?? {});
  if (target['insecure-skip-tls-verify']) throw refuse('insecure-skip-tls-verify is not supported; name the authority');
  if (target['proxy-url']) throw refuse('proxy-url is not supported');
  if (account.username) throw refuse('API servers take no passwords any more; use a token or a certificate');
  if (account['auth-provider']) throw refuse('auth-provider is not supported; use exec');
  const source = { target, account, folder: dirname(resolve(options.path)), environment: options.environment ?? {} };
  return {
    server: new URL(target.server),
    namespace: chosen.namespace ?? 'default',
    credentials: () => readCredentials(source, refuse),
  };
}

function parseConfig(text: string, refuse: (why: string) => Error): z.infer<typeof kubeconfig> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw refuse(`not YAML: ${messageOf(error)}`);
  }
  const parsed = kubeconfig.safeParse(value);
  if (!parsed.success) throw refuse(z.prettifyError(parsed.error));
  return parsed.data;
}

interface Source {
  readonly target: Cluster;
  readonly account: User;
  /** Paths in the file are relative to it. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

async function readCredentials(source: Source, refuse: (why: string) => Error): Promise<Credentials> {
  const { target, account, folder } = source;
  const text = async (data: string | undefined, path: string | undefined): Promise<string | undefined> => {
    if (data) return Buffer.from(data, 'base64').toString('utf8');
    return path ? readText(resolve(folder, path)) : undefined;
  };
  const [ca, cert, key, token] = await Promise.all([
    text(target['certificate-authority-data'], target['certificate-authority']),
    text(account['client-certificate-data'], account['client-certificate']),
    text(account['client-key-data'], account['client-key']),
    account.tokenFile ? readText(resolve(folder, account.tokenFile)) : account.token,
  ]);
  return {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(token ? { token: token.trim() } : {}),
    ...(target['tls-server-name'] ? { serverName: target['tls-server-name'] } : {}),
    ...(account.exec ? await runCommand(account.exec, source, refuse) : {}),
  };
}

/** Asks the command of the file for credentials (client.authentication.k8s.io, "client-go credential plugins"). */
async function runCommand(
  { apiVersion, command: program, args, env }: z.infer<typeof command>,
  { folder, environment, target }: Source,
  refuse: (why: string) => Error,
): Promise<Credentials> {
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false, cluster: { server: target.server } } };
  const added = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  // As kubectl does it: a path with a slash is relative to the file, anything else is looked up.
  const path = program.includes('/') ? resolve(folder, program) : program;
  let output: string;
  try {
    const { stdout } = await promisify(execFile)(path, args ?? [], {
      env: { ...environment, ...added, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: COMMAND_MS_MAX,
    });
    output = stdout;
  } catch (error) {
    throw refuse(`the command '${program}' gave no credentials: ${messageOf(error)}`);
  }
  const parsed = credential.safeParse(parse(output));
  if (!parsed.success) throw refuse(`the command '${program}' printed no ExecCredential`);
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = parsed.data.status;
  return {
    ...(token ? { token } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(expirationTimestamp ? { expiresAt: Date.parse(expirationTimestamp) } : {}),
  };
}
