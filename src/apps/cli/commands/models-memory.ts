import type { Command } from 'commander';
import { z } from 'zod';
import { formatBytes } from '#core/units';
import { UsageError } from '../failure.ts';
import { type GatewayConnection, withGateway, withGatewayOptions } from '../gateway-connection.ts';
import { formatTable } from '../table.ts';
import { printJson } from './connected.ts';

const indexSchema = z.array(
  z.object({
    name: z.string(),
    version: z.string().default(''),
    state: z.string().default(''),
    reason: z.string().default(''),
    /** Null where it is not in memory; absent where the server is none of ours. */
    memory_bytes: z.number().nullable().optional(),
    pinned: z.boolean().optional(),
  }),
);

/** `kedge models load|unload|loaded`: what one gateway has in memory. */
export function memoryCommands(models: Command): void {
  for (const [word, what] of [
    ['load', 'let a gateway read a model of its folder anew and load it, or load what an endpoint answers with'],
    ['unload', 'take a model of the folder out of service'],
  ] as const) {
    withGatewayOptions(models.command(`${word} <model>`).description(what)).action(
      withGateway(async (gateway, [model = ''], options) => {
        await gateway.post(`/v2/repository/models/${encodeURIComponent(model)}/${word}`, {});
        const entries = (await indexOf(gateway)).filter(({ name }) => name === model);
        if (options.json) return printJson(entries);
        process.stdout.write(`${model} is ${word}ed at ${gateway.url}\n`);
      }),
    );
  }
  withGatewayOptions(models.command('loaded').description('list what a gateway serves, and what of it is in memory'))
    .option('--all', 'also what is not in memory')
    .action(
      withGateway(async (gateway, _args, options) => {
        const { all = false } = options as { readonly all?: boolean };
        const entries = (await indexOf(gateway)).filter((one) => all || one.memory_bytes !== null);
        if (options.json) return printJson(entries);
        const rows = entries.map(({ name, version, state, reason, pinned, memory_bytes: bytes }) => [
          ...[name, version, state, bytes === undefined || bytes === null ? null : formatBytes(bytes)],
          ...[pinned ? 'pinned' : '', reason],
        ]);
        process.stdout.write(`${formatTable(['model', 'version', 'state', 'memory', 'stays', 'reason'], rows)}\n`);
      }),
    );
}

async function indexOf(gateway: GatewayConnection): Promise<z.output<typeof indexSchema>> {
  const parsed = indexSchema.safeParse(await gateway.post('/v2/repository/index', { memory: true }));
  if (parsed.success) return parsed.data;
  throw new UsageError(`${gateway.url} answers, but not as a gateway does: give --gateway`);
}
