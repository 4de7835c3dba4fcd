import type { Command } from 'commander';
import { KEYS, loadConfig } from '#platform/config';
import { explainFailure } from '../failure.ts';
import { formatTable } from '../table.ts';
import { printJson } from './connected.ts';

const SECRET_KEYS: ReadonlySet<string> = new Set(['token', 'oidcClientSecret', 'callbackSecret']);

/** The whole configuration as it would be used, so that nobody has to guess which variable won. */
export function configCommand(program: Command): void {
  program
    .command('config')
    .description('show every configuration key with its value, default and reason')
    .option('--json', 'answer as JSON')
    .action((options: { readonly json?: boolean }) => {
      try {
        const config = loadConfig();
        const rows = Object.entries(KEYS).map(([name, key]) => {
          const value = String(config[name as keyof typeof KEYS]);
          const shown = SECRET_KEYS.has(name) && value !== '' ? '(set)' : value;
          return { variable: key.env, value: shown, default: String(key.default), reason: key.reason };
        });
        if (options.json) return printJson(rows);
        const cells = rows.map((row) => [row.variable, row.value, row.default, row.reason]);
        process.stdout.write(`${formatTable(['variable', 'value', 'default', 'reason'], cells)}\n`);
      } catch (error) {
        explainFailure(error);
      }
    });
}
