import type { Command } from 'commander';
import type { Kedge } from '#client';
import { UsageError } from '../failure.ts';
import { formatTable } from '../table.ts';
import { connected, printJson, withKedge } from './connected.ts';
import { everyItem } from './models.ts';

/** `kedge schedules`: when pipelines start by themselves, what became of it, and whether they do at all. */
export function scheduleCommands(program: Command): void {
  const schedules = program.command('schedules').description('list, describe, pause and resume schedules');
  listCommand(schedules);
  getCommand(schedules);
  connected(schedules.command('next <schedule>').description('tell the next ticks of a schedule, in its time zone'))
    .option('-n, --count <count>', 'how many', '10')
    .action(
      withKedge(async (kedge, [schedule = ''], options) => {
        const query = { count: Number(options['count']) };
        const { timeZone, items } = await kedge.schedules.nextTicks({ params: { schedule }, query });
        if (options.json) return printJson(items);
        const rows = items.map(({ at, local, offset }) => [`${local} ${offset}`, new Date(at).toISOString()]);
        process.stdout.write(`${formatTable([timeZone, 'utc'], rows)}\n`);
      }),
    );
  connected(schedules.command('pause <schedule>').description('let its ticks start nothing until it is resumed'))
    .option('--reason <text>', 'why')
    .action(
      withKedge(async (kedge, [schedule = ''], options) => {
        const reason = options['reason'];
        const body = typeof reason === 'string' ? { reason } : {};
        const view = await kedge.schedules.pauseSchedule({ params: { schedule }, body });
        if (options.json) return printJson(view);
        process.stdout.write(`paused ${schedule}\n`);
      }),
    );
  connected(schedules.command('resume <schedule>').description('let it tick again, from now on'))
    .option('--catch-up', 'from where it was paused: its catch-up policy says what becomes of the ticks in between')
    .action(
      withKedge(async (kedge, [schedule = ''], options) => {
        const body = { catchUp: options['catchUp'] === true };
        const view = await kedge.schedules.resumeSchedule({ params: { schedule }, body });
        if (options.json) return printJson(view);
        process.stdout.write(`resumed ${schedule}, next ${timeOf(view.nextAt)}\n`);
      }),
    );
}

/** `kedge triggers`: what else starts pipelines. */
export function triggerCommands(program: Command): void {
  const triggers = program.command('triggers').description('list triggers, what they did, and make their secrets');
  connected(triggers.command('list', { isDefault: true }).description('list triggers with what they did last')).action(
    withKedge(async (kedge, _args, options) => {
      const { items } = await kedge.triggers.listTriggers();
      if (options.json) return printJson(items);
      const rows = items.map(({ trigger, pipeline, on, dueAt, last }) => [
        ...[trigger, pipeline, sourceWords(on)],
        ...[dueAt === null ? null : timeOf(dueAt), last?.outcome ?? null],
      ]);
      process.stdout.write(`${formatTable(['trigger', 'pipeline', 'on', 'due', 'last'], rows)}\n`);
    }),
  );
  connected(triggers.command('get <trigger>').description('list what a trigger did about events, newest first')).action(
    withKedge(async (kedge, [trigger = ''], options) => {
      const { items } = await kedge.triggers.listFirings({ params: { trigger }, query: { limit: 50 } });
      if (options.json) return printJson(items);
      const rows = items.map(({ at, outcome, run, reason }) => [timeOf(at), outcome, run, reason]);
      process.stdout.write(`${formatTable(['at', 'outcome', 'run', 'reason'], rows)}\n`);
    }),
  );
  const listing = 'list the types of events that triggers may wait for; with a type, its fields';
  connected(triggers.command('events [type]').description(listing)).action(
    withKedge(async (kedge, [type], options) => {
      const { items } = await kedge.triggers.listTriggerEvents();
      const found = type === undefined ? items : items.filter((item) => item.type === type);
      if (found.length === 0)
        throw new UsageError(`there are no events of the type '${type}': see kedge triggers events`);
      if (options.json) return printJson(found);
      const fields = found.flatMap((item) => item.fields.map(({ path, holds }) => [path, holds]));
      const types = items.map((item) => [item.type, item.fields.map(({ path }) => path).join(' ')]);
      process.stdout.write(
        `${type === undefined ? formatTable(['type', 'fields'], types) : formatTable(['field', 'holds'], fields)}\n`,
      );
    }),
  );
  const words = 'make the secret with which requests to a webhook are signed; it is shown once';
  connected(triggers.command('secret <trigger>').description(words)).action(
    withKedge(async (kedge, [trigger = ''], options) => {
      const { secret, path } = await kedge.triggers.makeTriggerSecret({ params: { trigger } });
      if (options.json) return printJson({ secret, path });
      process.stdout.write(`POST ${kedge.url}${path}\n${secret}\n`);
    }),
  );
}

type Source = Awaited<ReturnType<Kedge['triggers']['listTriggers']>>['items'][number]['on'];

function sourceWords(on: Source): string {
  if ('pipeline' in on) return `pipeline ${on.pipeline} ${on.status.join(' or ')}`;
  if ('dataset' in on) return `dataset ${on.dataset}`;
  if (!('event' in on)) return 'webhook';
  const where = Object.entries(on.where).map(([path, expected]) => {
    if (expected === null || typeof expected !== 'object') return `${path} ${JSON.stringify(expected)}`;
    return Object.entries(expected).map(([word, value]) => `${path} ${word} ${JSON.stringify(value)}`);
  });
  return [`event ${on.event}`, ...where.flat()].join(', ');
}

function listCommand(schedules: Command): void {
  const words = 'list schedules with their next and last tick';
  connected(schedules.command('list [pipeline]', { isDefault: true }).description(words)).action(
    withKedge(async (kedge, [pipeline], options) => {
      const filter = pipeline === undefined ? {} : { pipeline };
      const items = await everyItem((after) => kedge.schedules.listSchedules({ query: { ...filter, ...after } }));
      if (options.json) return printJson(items);
      const rows = items.map((item) => [
        ...[item.schedule, item.pipeline, item.cron, item.timeZone],
        ...[item.pausedAt === null ? timeOf(item.nextAt) : 'paused', item.last?.outcome ?? null],
      ]);
      process.stdout.write(`${formatTable(['schedule', 'pipeline', 'cron', 'zone', 'next', 'last'], rows)}\n`);
    }),
  );
}

function getCommand(schedules: Command): void {
  const words = 'describe a schedule, and what became of its last ticks';
  connected(schedules.command('get <schedule>').description(words)).action(
    withKedge(async (kedge, [schedule = ''], options) => {
      const params = { schedule };
      const view = await kedge.schedules.getSchedule({ params });
      const { items } = await kedge.schedules.listTicks({ params, query: { limit: 20 } });
      if (options.json) return printJson({ ...view, ticks: items });
      const catchUp = typeof view.catchUp === 'string' ? view.catchUp : `all up to ${view.catchUp.all}`;
      process.stdout.write(`${view.pipeline} at '${view.cron}' in ${view.timeZone}, catch-up ${catchUp}\n`);
      const why = view.pauseReason === null ? '' : `: ${view.pauseReason}`;
      const paused = `paused since ${timeOf(view.pausedAt)} by ${view.pausedBy}${why}`;
      process.stdout.write(view.pausedAt === null ? `next ${timeOf(view.nextAt)}\n` : `${paused}\n`);
      const rows = items.map((tick) => [timeOf(tick.at), tick.outcome, tick.run, tick.reason]);
      if (rows.length > 0) process.stdout.write(`${formatTable(['tick', 'outcome', 'run', 'reason'], rows)}\n`);
    }),
  );
}

function timeOf(at: number | null): string {
  return at === null ? 'never' : new Date(at).toISOString().replace('.000Z', 'Z');
}
