import type { Command } from 'commander';
import { loadConfig } from '#platform/config';
import { holderOf } from '../data-dir.ts';
import { explainFailure, UsageError } from './failure.ts';

export interface GatewayOptions {
  readonly gateway?: string | undefined;
  readonly token?: string | undefined;
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Asks one gateway. What it refuses is thrown as a {@link UsageError} that says what to do about it. */
export interface GatewayConnection {
  readonly url: string;
  post(path: string, body: unknown): Promise<unknown>;
}

const ANSWER_WITHIN_MS = 120_000;

/** Adds the options by which a command finds a gateway. */
export function withGatewayOptions(command: Command): Command {
  return command
    .option('--gateway <url>', 'address of the gateway')
    .option('--token <token>', 'key or token to present there')
    .option('--data <dir>', 'data directory whose started gateway is asked')
    .option('--json', 'answer as JSON');
}

/** Wraps a command that asks a gateway: commander passes the arguments, then the options, then itself. */
export function withGateway(
  work: (gateway: GatewayConnection, args: readonly string[], options: GatewayOptions) => Promise<unknown>,
): (...received: unknown[]) => Promise<void> {
  return async (...received) => {
    const options = received.at(-2) as GatewayOptions;
    try {
      await work(connectGateway(options), received.slice(0, -2) as string[], options);
    } catch (error) {
      explainFailure(error);
    }
  };
}

/**
 * The gateway that was named, or that runs from the data directory, or that the configuration tells of. It is shown
 * only what was given for it: a key of `kedge login` is for the control plane.
 */
function connectGateway({ gateway, token, data }: GatewayOptions): GatewayConnection {
  const config = loadConfig({ dataDir: data, token });
  const scheme = config.tlsCert === '' ? 'http' : 'https';
  const url = (
    gateway ??
    holderOf(config.dataDir)?.gateway ??
    `${scheme}://${config.host}:${config.gatewayPort}`
  ).replace(/\/$/, '');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(`--gateway ${url}: expected http://… or https://…`);
  }
  const headers = {
    'content-type': 'application/json',
    ...(config.token === '' ? {} : { authorization: `Bearer ${config.token}` }),
  };
  return {
    url,
    async post(path, body) {
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const sent = fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body), signal });
      const response = await sent.catch((error) => {
        throw new UsageError(`${url} does not answer (${causeOf(error)}): start a gateway, or give --gateway`);
      });
      const answer: unknown = await response.json().catch(() => undefined);
      if (response.ok) return answer;
      throw new UsageError(refusal(response.status, { url, answer }));
    },
  };
}

function refusal(status: number, { url, answer }: { readonly url: string; readonly answer: unknown }): string {
  const { error: told } = (answer ?? {}) as { readonly error?: unknown };
  if (typeof told !== 'string')
    return `${url} answered with status ${status}, and not as a gateway does: give --gateway`;
  if (status === 401) return `${told}: give --token`;
  if (/KEDGE_MODEL_CONTROL/.test(told)) return `${told}: set it for the gateway at ${url} and start that again`;
  return told;
}

function causeOf(error: unknown): string {
  const { cause, message } = error as { readonly cause?: { readonly code?: string }; readonly message?: string };
  return cause?.code ?? message ?? String(error);
}
