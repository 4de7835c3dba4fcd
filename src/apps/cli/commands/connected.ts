import type { Command } from 'commander';
import type { Kedge } from '#client';
import { DEFAULT_PROJECT } from '#platform/access';
import { type ConnectionOptions, connectFrom } from '../connection.ts';
import { explainFailure } from '../failure.ts';

export type CommandOptions = ConnectionOptions & { readonly json?: boolean } & Readonly<Record<string, unknown>>;

/** Adds the options by which a command finds the control plane. */
export function connected(command: Command): Command {
  return command
    .option('--url <url>', 'address of the control plane')
    .option('--token <token>', 'token to present')
    .option('--data <dir>', 'data directory whose administrator token is used')
    .option('--json', 'answer as JSON');
}

/** As {@link connected}, for a command about what belongs to a project. */
export function connectedInProject(command: Command): Command {
  return connected(command).option('--project <name>', 'the project (MLflow says workspace)', DEFAULT_PROJECT);
}

/** How policies and approvals name a model, whichever project they are asked in. */
export function modelKeyOf(model: string, { project = DEFAULT_PROJECT }: CommandOptions): string {
  return project === DEFAULT_PROJECT ? model : `${project}/${model}`;
}

/** Wraps a command: commander passes the arguments, then the options, then itself. */
export function withKedge(
  work: (kedge: Kedge, args: readonly string[], options: CommandOptions) => Promise<unknown>,
): (...received: unknown[]) => Promise<void> {
  return async (...received) => {
    const options = received.at(-2) as CommandOptions;
    const args = received.slice(0, -2) as string[];
    try {
      await work(connectFrom(options), args, options);
    } catch (error) {
      explainFailure(error);
    }
  };
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
