import type { Command } from 'commander';
import type { Kedge } from '#client';
import { formatDuration } from '#core/units';
import { formatTable } from '../table.ts';
import { connected, printJson, withKedge } from './connected.ts';

type Difference = Awaited<ReturnType<Kedge['records']['comparePipelineRuns']>>;
type Step = Difference['steps'][number];

const SHORT = 19;

/** `kedge runs compare`. */
export function compareRunsCommand(runs: Command): void {
  const words = 'compare two runs: what they were made from, and step by step times, cache keys and digests';
  connected(runs.command('compare <run> <other>').description(words)).action(
    withKedge(async (kedge, [run = '', other = ''], options) => {
      const difference = await kedge.records.comparePipelineRuns({ params: { run, other } });
      if (options.json) return printJson(difference);
      process.stdout.write(told(difference));
    }),
  );
}

function told({ before, now, made, steps }: Difference): string {
  const heads = [before, now].map(({ run, pipeline, generation, status, startedAt, finishedAt, digest }) => {
    const took = durationOf({ startedAt, finishedAt });
    const sealed = digest === null ? 'not sealed' : `record ${digest.slice(0, SHORT)}`;
    const time = took === null ? '' : ` in ${formatDuration(took)}`;
    return `${run}: ${pipeline} (generation ${generation}), ${status}${time}, ${sealed}`;
  });
  const from =
    made.length === 0
      ? ['made from the same: parameters, code, commit and seed']
      : made.map(({ name, before: was, now: is }) => `${name} was ${shown(was)}, is ${shown(is)}`);
  const rows = steps.map((step) => [
    ...[step.step, step.before?.status ?? null, step.now?.status ?? null],
    ...[timeText(step.before), timeText(step.now), deltaText(step)],
    ...[step.verdict, cacheText(step)],
  ]);
  const header = ['step', 'before', 'now', 'took', 'takes', 'delta', 'made', 'cache key'];
  const products = steps.flatMap(({ step, products: made_ }) =>
    made_
      .filter(({ same }) => !same)
      .map(({ output, before: was, now: is, units }) => {
        const named = units ? `${output} (${units.join(', ')})` : output;
        return `${step} ${named}: ${short(was)} → ${short(is)}`;
      }),
  );
  const table = formatTable(header, rows);
  return `${[...heads, ...from, '', table, ...(products.length > 0 ? ['', ...products] : [])].join('\n')}\n`;
}

type Side = Step['before'];

function durationOf(side: Pick<NonNullable<Side>, 'startedAt' | 'finishedAt'> | null): number | null {
  if (!side || side.startedAt === null || side.finishedAt === null) return null;
  return side.finishedAt - side.startedAt;
}

function timeText(side: Side): string | null {
  if (side?.status === 'cached') return null;
  const took = durationOf(side);
  return took === null ? null : formatDuration(took);
}

function deltaText({ before, now }: Step): string | null {
  if (before?.status === 'cached' || now?.status === 'cached') return null;
  const [was, is] = [durationOf(before), durationOf(now)];
  if (was === null || is === null) return null;
  return `${is < was ? '-' : '+'}${formatDuration(Math.abs(is - was))}`;
}

function cacheText({ before, now, ingredients }: Step): string | null {
  if (ingredients.length > 0) return ingredients.map(({ ingredient }) => ingredient).join(', ');
  return before?.key && before.key === now?.key ? 'equal' : null;
}

function short(digest: string | null): string {
  return digest === null ? 'nothing' : digest.slice(0, SHORT);
}

const SHOWN_LENGTH = 100;

function shown(value: unknown): string {
  const text = value === null ? 'nothing' : JSON.stringify(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
