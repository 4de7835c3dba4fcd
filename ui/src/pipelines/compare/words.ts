import type { RunDifference, StepDifference } from '#pipelines/record/contract';
import { formatDurationShort } from '../../data/format.ts';

interface Timed {
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** How long something took; null when it did not begin or end. */
export function sideMs(side: Timed | null): number | null {
  return side === null || side.startedAt === null || side.finishedAt === null ? null : side.finishedAt - side.startedAt;
}

/** How much longer the second of two steps took; null where one did no work. */
export function deltaMs({ before, now }: StepDifference): number | null {
  if (before?.status === 'cached' || now?.status === 'cached') return null;
  const [was, is] = [sideMs(before), sideMs(now)];
  return was === null || is === null ? null : is - was;
}

/** `+1.2 s`, `−30 ms`, `±0 ms`. */
export function deltaText(ms: number): string {
  const sign = ms > 0 ? '+' : ms < 0 ? '−' : '±';
  return `${sign}${formatDurationShort(Math.abs(ms))}`;
}

const VALUE_LENGTH = 120;

export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '–';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH)}…` : text;
}

/** How the second run stands against the first, in one or two sentences. */
export function summaryOf({ before, now, made, steps }: RunDifference): string {
  const [was, is] = [sideMs(before), sideMs(now)];
  const took =
    was === null || is === null || was === is
      ? ''
      : ` The second took ${formatDurationShort(Math.abs(is - was))} ${is > was ? 'longer' : 'less'}.`;
  const from = made.map(({ name }) => name.replace(/^params\./, ''));
  const origin = from.length === 0 ? 'Both were made from the same.' : `They differ in ${listed(from)}.`;
  const of = (verdict: StepDifference['verdict']) => steps.filter((step) => step.verdict === verdict);
  const [same, others, undone] = [of('same'), of('different'), of('undone')];
  const outcome =
    same.length === steps.length
      ? ` All ${steps.length} steps made the same.`
      : ` ${same.length} of ${steps.length} steps made the same${phrase(others, 'made something else')}${phrase(
          undone,
          'did not end well in both',
        )}.`;
  return `${origin}${outcome}${took}`;
}

const NAMED_MAX = 3;

function phrase(steps: readonly StepDifference[], words: string): string {
  return steps.length === 0 ? '' : `; ${listed(steps.map(({ step }) => step))} ${words}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_MAX).join(', ');
  return names.length > NAMED_MAX ? `${shown} and ${names.length - NAMED_MAX} more` : shown;
}
