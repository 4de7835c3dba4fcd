import type { Command } from 'commander';
import type { Kedge } from '#client';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';
import { everyItem } from './models.ts';
import { paramsFor } from './runs.ts';

type BackfillView = Awaited<ReturnType<Kedge['backfills']['cancelBackfill']>>;

/** `kedge backfill`: runs for many partitions, and which partitions have none. */
export function backfillCommands(program: Command): void {
  const backfill = program.command('backfill').description('start, watch and control backfills over partitions');
  startBackfill(backfill);
  connected(
    backfill.command('list [pipeline]', { isDefault: true }).description('list backfills, newest first'),
  ).action(
    withKedge(async (kedge, [pipeline], options) => {
      const filter = pipeline === undefined ? {} : { pipeline };
      const items = await everyItem((after) => kedge.backfills.listBackfills({ query: { ...filter, ...after } }));
      if (options.json) return printJson(items);
      const rows = items.map(({ backfill: id, pipeline: of, status, progress }) => [
        ...[
          id,
          of,
          status,
          progress.partitions,
          progress.succeeded,
          progress.failed,
          progress.active,
          progress.waiting,
        ],
      ]);
      const header = ['backfill', 'pipeline', 'status', 'partitions', 'succeeded', 'failed', 'active', 'waiting'];
      process.stdout.write(`${formatTable(header, rows)}\n`);
    }),
  );
  connected(backfill.command('get <backfill>').description('describe a backfill and its partitions')).action(
    withKedge(async (kedge, [id = ''], options) => {
      const view = await kedge.backfills.getBackfill({ params: { backfill: id } });
      if (options.json) return printJson(view);
      process.stdout.write(`${wordsOf(view)}\n`);
      const rows = view.items.map(({ partition, status, run, reason }) => [partition, status, run, reason]);
      process.stdout.write(`${formatTable(['partition', 'status', 'run', 'reason'], rows)}\n`);
    }),
  );
  missingCommand(backfill);
  for (const [name, operation, words] of [
    ['pause', 'pauseBackfill', 'start no further run'],
    ['resume', 'resumeBackfill', 'let a paused backfill go on'],
    ['cancel', 'cancelBackfill', 'cancel a backfill and its runs that go on'],
  ] as const) {
    connected(backfill.command(`${name} <backfill>`).description(words)).action(
      withKedge(async (kedge, [id = ''], options) =>
        tell(await kedge.backfills[operation]({ params: { backfill: id } }), options),
      ),
    );
  }
}

function spanOf(options: CommandOptions): { readonly from?: string; readonly to?: string } {
  const [from, to] = [options['from'], options['to']];
  return { ...(typeof from === 'string' ? { from } : {}), ...(typeof to === 'string' ? { to } : {}) };
}

function startBackfill(backfill: Command): void {
  connected(backfill.command('start <pipeline>').description('start a run for each partition that has none'))
    .option('--from <date>', 'the first partition')
    .option('--to <date>', 'the first partition after the last')
    .option('--partition <name...>', 'these partitions, instead of a span')
    .option('--all', 'also those with a run that succeeded')
    .option('--concurrency <runs>', 'how many at a time', '4')
    .option('-p, --param <name=value...>', 'a parameter of the runs')
    .action(
      withKedge(async (kedge, [pipeline = ''], options) => {
        const partitions = options['partition'] as string[] | undefined;
        const params = await paramsFor(kedge, pipeline, options['param']);
        const body = {
          ...{ pipeline, params, ...spanOf(options), ...(partitions ? { partitions } : {}) },
          ...{ missingOnly: options['all'] !== true, concurrency: Number(options['concurrency']) },
        };
        tell(await kedge.backfills.startBackfill({ body }), options);
      }),
    );
}

function missingCommand(backfill: Command): void {
  connected(backfill.command('missing <pipeline>').description('list the partitions without a run that succeeded'))
    .option('--from <date>', 'the first partition')
    .option('--to <date>', 'the first partition after the last')
    .action(
      withKedge(async (kedge, [pipeline = ''], options) => {
        const query = spanOf(options);
        const { items } = await kedge.backfills.listPartitions({ params: { pipeline }, query });
        const missing = items.filter(({ status }) => status !== 'succeeded');
        if (options.json) return printJson(missing);
        const rows = missing.map(({ partition, status, run }) => [partition, status, run]);
        const table = rows.length > 0 ? `${formatTable(['partition', 'status', 'run'], rows)}\n` : '';
        process.stdout.write(`${table}${missing.length} of ${items.length} partitions are missing\n`);
      }),
    );
}

function tell(view: BackfillView, options: CommandOptions): void {
  if (options.json) printJson(view);
  else process.stdout.write(`${wordsOf(view)}\n`);
}

function wordsOf({ backfill, pipeline, status, progress }: BackfillView): string {
  const { partitions, succeeded, failed, active, waiting } = progress;
  const parts = [`${succeeded} succeeded`, `${failed} failed`, `${active} active`, `${waiting} waiting`];
  return `${backfill} of ${pipeline} ${status}: ${partitions} partitions, ${parts.join(', ')}`;
}
