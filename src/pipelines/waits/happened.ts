import { assert } from '#core/assert';
import type { Json } from '#core/json';
import type { Tx } from '#platform/db';
import type { PlatformEvent } from '#platform/events';
import { advance, runSubject } from '../service/advance.ts';
import { findRun } from '../store/runs.ts';
import { definitionOf, findStep, type StepAddress, saveProduct } from '../store/steps.ts';
import { fieldsOfEvent } from '../triggers/fields.ts';
import { matches } from '../triggers/where.ts';
import { stepsAwaiting } from './store.ts';

/**
 * Ends the steps that wait for an event like this one, in the transaction that takes it. What happened before a step
 * began to wait, by the clocks of the control planes, is not what it waits for.
 */
export async function endWaits(tx: Tx, event: PlatformEvent): Promise<void> {
  const fields = fieldsOfEvent(event);
  for (const of of await stepsAwaiting(tx.db, event.type)) await endWait(tx, of, { event, fields });
}

async function endWait(
  tx: Tx,
  { run: id, step }: StepAddress,
  { event, fields }: { readonly event: PlatformEvent; readonly fields: Readonly<Record<string, Json>> },
): Promise<void> {
  const { wait } = await definitionOf(tx.db, id, step);
  // Most wait for another one, and are asked nothing else.
  if (!wait || !('event' in wait) || !matches(wait.where, fields)) return;
  // The end of one may have ended the run of another, so that each is looked up as it is by now.
  const found = await findStep(tx.db, id, step);
  const run = await findRun(tx.db, id);
  if (!run || found?.status !== 'waiting' || event.time < (found.startedAt ?? 0)) return;
  await saveProduct(tx.db, { run: id, step }, { outputs: {}, result: fields, metrics: {} });
  const reason = `${event.type} ${event.seq} of ${event.subject}`;
  const advanced = await advance(tx, run, { type: 'decided', step, now: tx.now, ok: true, reason });
  assert(advanced !== 'stale', `step '${step}' of run ${id} waits and cannot be ended`);
  tx.audit(runSubject(id), { step, reason });
}
