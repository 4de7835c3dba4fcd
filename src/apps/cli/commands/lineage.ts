import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { addressFrom } from '../connection.ts';
import { UsageError } from '../failure.ts';
import { formatTable } from '../table.ts';
import { connected, printJson, withKedge } from './connected.ts';

/** `kedge lineage`: OpenLineage events, and how far they were sent. */
export function lineageCommands(program: Command): void {
  const lineage = program.command('lineage').description('OpenLineage events of pipeline runs, and where they went');
  connected(
    lineage.command('events [run]').description('print the events of a run, or all there are, one a line'),
  ).action(
    withKedge(async (_kedge, [run], options) => {
      const { url, token } = addressFrom(options);
      const path = run === undefined ? 'events' : `runs/${encodeURIComponent(run)}`;
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(`${url}/api/v1/openlineage/${path}`, { headers });
      if (!response.ok || !response.body) throw new UsageError(`${response.url} answered ${response.status}`);
      const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
      await pipeline(body, process.stdout, { end: false });
    }),
  );
  connected(
    lineage.command('delivery').description('say how far the events were sent to the OpenLineage backend'),
  ).action(
    withKedge(async (kedge, _args, options) => {
      const delivery = await kedge.lineage.getLineageDelivery({});
      if (options.json) return printJson(delivery);
      const { endpoint, waiting, sent, refused, dropped, failures, answer } = delivery;
      const rows = [[endpoint ?? 'none: set KEDGE_OPENLINEAGE_URL', waiting, sent, refused, dropped, failures, answer]];
      const heads = ['endpoint', 'waiting', 'sent', 'refused', 'dropped', 'failures', 'answer'];
      process.stdout.write(`${formatTable(heads, rows)}\n`);
    }),
  );
}
