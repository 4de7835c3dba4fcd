import type { Context, Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { uuidOf } from '../services/runs.ts';
import { type Assessment, type AssessmentError, type AssessmentKind, type SourceType, TRACE_LIMITS } from './model.ts';
import { requireTrace } from './require.ts';
import * as store from './store/assessments.ts';
import type { TraceRow } from './store/traces.ts';

export interface AssessmentDraft {
  /** Chosen by the client for what it tells of along with a trace; made up when left out. */
  readonly id?: string | undefined;
  readonly name: string;
  readonly kind: AssessmentKind;
  readonly value: unknown;
  readonly error?: AssessmentError | undefined;
  readonly rationale?: string | undefined;
  readonly source: Assessment['source'];
  readonly span?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly overrides?: string | undefined;
  readonly createdAt?: number | undefined;
}

export interface AssessmentChange {
  readonly name?: string | undefined;
  readonly kind?: AssessmentKind | undefined;
  readonly value?: unknown;
  readonly error?: AssessmentError | undefined;
  readonly rationale?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** What is said of traces. What a person says is audited; what programs say is recorded traffic, as traces are. */
export class AssessmentService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  async create(context: Context, trace: string, draft: AssessmentDraft): Promise<Assessment> {
    const { db, system } = this.#deps;
    return db.react(context, async (tx) => {
      const row = await requireTrace(tx.db, context, { id: trace, level: 'EDIT' });
      return addAssessment(tx, { row, draft, by: context.actor.id, id: () => newAssessmentId(system.ids) });
    });
  }

  async get(context: Context, trace: string, id: string): Promise<Assessment> {
    const { reader } = this.#deps.db;
    const row = await requireTrace(reader, context, { id: trace, level: 'READ' });
    return requireAssessment(await store.findAssessment(reader, row.key, id), { trace, id });
  }

  /** Errors: `tracking/invalid` for a value of the other kind. */
  async update(
    context: Context,
    of: { readonly trace: string; readonly id: string },
    change: AssessmentChange,
  ): Promise<Assessment> {
    return this.#deps.db.transact(context, async (tx) => {
      const row = await requireTrace(tx.db, context, { id: of.trace, level: 'EDIT' });
      const known = requireAssessment(await store.findAssessment(tx.db, row.key, of.id), of);
      if (change.kind !== undefined && change.kind !== known.kind) {
        throw trackingErrors.invalid(`Cannot update ${change.kind} value on an assessment that is ${known.kind}.`);
      }
      const updated: Assessment = {
        ...known,
        name: change.name ?? known.name,
        ...(change.kind === undefined ? {} : { value: change.value, error: change.error }),
        rationale: change.rationale ?? known.rationale,
        metadata: { ...known.metadata, ...change.metadata },
        updatedAt: tx.now,
      };
      await store.updateAssessment(tx.db, row.key, updated);
      tx.audit(subjectOf(row), { assessment: of.id, name: updated.name, kind: updated.kind, changed: true });
      return updated;
    });
  }

  /** What it stood in for is valid again. Deleting what is not there changes nothing. */
  async delete(context: Context, trace: string, id: string): Promise<void> {
    await this.#deps.db.react(context, async (tx) => {
      const row = await requireTrace(tx.db, context, { id: trace, level: 'EDIT' });
      const known = await store.findAssessment(tx.db, row.key, id);
      if (!known) return;
      if (known.overrides !== undefined) await store.setValid(tx.db, row.key, known.overrides, true);
      await store.dropAssessment(tx.db, row.key, id);
      tx.audit(subjectOf(row), { assessment: id, name: known.name, kind: known.kind, deleted: true });
    });
  }
}

/** What people say is audited under the trace. */
const AUDITED: readonly SourceType[] = ['HUMAN'];

export async function addAssessment(
  tx: Tx,
  made: { readonly row: TraceRow; readonly draft: AssessmentDraft; readonly by: string; readonly id: () => string },
): Promise<Assessment> {
  const { row, draft, by } = made;
  const place = await store.assessmentPlace(tx.db, row.key);
  if (place.held >= TRACE_LIMITS.assessments) {
    throw trackingErrors.limit(`trace '${row.id}' has ${TRACE_LIMITS.assessments} assessments, which is the limit`);
  }
  const assessment: Assessment = {
    id: draft.id ?? made.id(),
    trace: row.id,
    name: draft.name,
    kind: draft.kind,
    value: draft.value,
    error: draft.error,
    rationale: draft.rationale,
    source: draft.source,
    span: draft.span,
    metadata: draft.metadata,
    overrides: draft.overrides,
    valid: true,
    createdAt: draft.createdAt ?? tx.now,
    updatedAt: tx.now,
  };
  if (draft.overrides !== undefined && !(await store.setValid(tx.db, row.key, draft.overrides, false))) {
    throw assessmentNotFound({ trace: row.id, id: draft.overrides });
  }
  await store.insertAssessment(tx.db, row.key, { assessment, position: place.next, by });
  if (AUDITED.includes(assessment.source.type)) {
    tx.audit(subjectOf(row), { assessment: assessment.id, name: assessment.name, kind: assessment.kind });
  }
  return assessment;
}

export function newAssessmentId(ids: TrackingDeps['system']['ids']): string {
  return `a-${uuidOf(ids.next('assessment'))}`;
}

/** What a trace is called in the audit log. */
export function subjectOf({ experiment, id }: Pick<TraceRow, 'experiment' | 'id'>): string {
  return `trace/${experiment}/${id}`;
}

function requireAssessment(
  found: Assessment | undefined,
  of: { readonly trace: string; readonly id: string },
): Assessment {
  if (!found) throw assessmentNotFound(of);
  return found;
}

function assessmentNotFound({ trace, id }: { readonly trace: string; readonly id: string }): Error {
  return trackingErrors['assessment-not-found'](`Assessment with ID '${id}' not found for trace '${trace}'`);
}
