import type { LogPage, LogQuery } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { isFinalStep } from '../model.ts';
import { lastPosition, readLines, searchLines } from '../store/log.ts';
import { findRun } from '../store/runs.ts';
import { findStep } from '../store/steps.ts';
import type { Db } from '../store/tables.ts';

/** Lines of a step. `done` says that none will follow: the step is final and these are the last. */
export async function readStepLog(
  db: Db,
  of: { readonly run: string; readonly step: string },
  query: LogQuery,
): Promise<LogPage> {
  const { after, before, contains } = query;
  if (!(await findRun(db, of.run))) throw pipelineErrors['run-not-found'](`there is no pipeline run '${of.run}'`);
  const step = await findStep(db, of.run, of.step);
  if (!step) throw pipelineErrors['step-not-found'](`run '${of.run}' has no step '${of.step}'`);
  // Where no line matches it is gone on after all that was looked at, which is at least what was there before.
  const end = contains === undefined ? after : Math.max(after, await lastPosition(db, of));
  const { items, at, more } =
    contains === undefined ? await readLines(db, of, query) : await searchLines(db, of, { ...query, contains, end });
  const done = isFinalStep(step.status) && !more;
  if (before === undefined) return { items, next: Math.max(after, at), more, done };
  const next = Math.max(end, items.at(-1)?.position ?? 0);
  return { items, next, ...(more ? { previous: at } : {}), more, done };
}
