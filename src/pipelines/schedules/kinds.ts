import type { Tx } from '#platform/db';
import type { FindResource, ResourceKind } from '#platform/resources';
import { pipelineErrors } from '../errors.ts';
import { resolveParams } from '../params.ts';
import { pipelineSpec } from '../spec.ts';
import { parseCron } from './cron.ts';
import { tickParams } from './model.ts';
import { type FreezeSpec, freezeSpec, type ScheduleSpec, scheduleSpec } from './spec.ts';
import { findSchedule, removeSchedule, saveSchedule } from './store.ts';
import { ticksAfter } from './ticks.ts';

export const scheduleKinds: readonly ResourceKind[] = [
  {
    kind: 'schedule',
    schema: scheduleSpec,
    references: ({ pipeline }) => [{ kind: 'pipeline', name: pipeline }],
    onApply: (tx, { name, spec }) => apply(tx, name, spec),
    check: (tx, { name, spec }, find) => requireParams(tx, { name, spec }, find),
    onDelete: (tx, name) => removeSchedule(tx.db, name),
  } satisfies ResourceKind<ScheduleSpec>,
  {
    kind: 'freeze',
    schema: freezeSpec,
    references: ({ pipelines }) => pipelines.map((name) => ({ kind: 'pipeline', name })),
  } satisfies ResourceKind<FreezeSpec>,
];

/** A new schedule, and one that was declared with other times, counts from now on: the past owes it nothing. */
async function apply(tx: Tx, name: string, spec: ScheduleSpec): Promise<void> {
  const known = await findSchedule(tx.db, name);
  const same = known?.spec.cron === spec.cron && known.spec.timeZone === spec.timeZone;
  const cursorAt = known && same ? known.cursorAt : tx.now;
  const nextAt = ticksAfter(parseCron(spec.cron), spec.timeZone, cursorAt, 1)[0] ?? null;
  const running = { pausedAt: null, pausedBy: null, pauseReason: null };
  await saveSchedule(tx.db, { ...running, ...known, name, spec, cursorAt, nextAt });
}

/** A schedule whose runs could never start is refused when it, or its pipeline, is declared. */
async function requireParams(
  tx: Tx,
  { name, spec }: { readonly name: string; readonly spec: ScheduleSpec },
  find: FindResource,
): Promise<void> {
  const pipeline = await find('pipeline', spec.pipeline);
  if (!pipeline) return;
  const { params } = pipelineSpec.parse(pipeline.spec);
  const { issues } = resolveParams(params, tickParams(spec, { at: tx.now, previousAt: tx.now }));
  if (issues.length === 0) return;
  const first = `${issues[0]?.path} ${issues[0]?.message}`;
  throw pipelineErrors['invalid-params'](`schedule '${name}' of pipeline '${spec.pipeline}': ${first}`, issues);
}
