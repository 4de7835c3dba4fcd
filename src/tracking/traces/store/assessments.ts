import { padded } from '../../store/bulk.ts';
import { type Db, tables } from '../../store/tables.ts';
import {
  type Assessment,
  type AssessmentError,
  type AssessmentKind,
  comparedValue,
  type SourceType,
} from '../model.ts';
import type { AssessmentTable } from './tables.ts';

/** The assessments of each trace, in the order in which they were made. */
export async function assessmentsOf(db: Db, traces: readonly string[]): Promise<Map<string, Assessment[]>> {
  const rows = await tables(db)
    .selectFrom('tracking_assessment')
    .selectAll()
    .where('trace', 'in', padded(traces))
    .orderBy('trace')
    .orderBy('position')
    .execute();
  const byTrace = new Map<string, Assessment[]>();
  for (const row of rows) byTrace.set(row.trace, [...(byTrace.get(row.trace) ?? []), assessmentOf(row)]);
  return byTrace;
}

export async function findAssessment(db: Db, trace: string, id: string): Promise<Assessment | undefined> {
  const row = await tables(db)
    .selectFrom('tracking_assessment')
    .selectAll()
    .where('trace', '=', trace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && assessmentOf(row);
}

/** How many a trace has, and the position of the next one. */
export async function assessmentPlace(
  db: Db,
  trace: string,
): Promise<{ readonly held: number; readonly next: number }> {
  const row = await tables(db)
    .selectFrom('tracking_assessment')
    .select((e) => [e.fn.countAll<number>().as('held'), e.fn.max('position').as('last')])
    .where('trace', '=', trace)
    .executeTakeFirstOrThrow();
  return { held: Number(row.held), next: row.last === null ? 0 : Number(row.last) + 1 };
}

export async function insertAssessment(
  db: Db,
  trace: string,
  made: { readonly assessment: Assessment; readonly position: number; readonly by: string },
): Promise<void> {
  const { assessment, position, by } = made;
  await tables(db)
    .insertInto('tracking_assessment')
    .values({
      id: assessment.id,
      trace,
      position,
      kind: assessment.kind,
      source_type: assessment.source.type,
      source: assessment.source.id,
      span: assessment.span ?? null,
      overrides: assessment.overrides ?? null,
      valid: assessment.valid ? 1 : 0,
      created_by: by,
      created_at: assessment.createdAt,
      ...changing(assessment),
    })
    .execute();
}

export async function updateAssessment(db: Db, trace: string, assessment: Assessment): Promise<void> {
  await tables(db)
    .updateTable('tracking_assessment')
    .set(changing(assessment))
    .where('trace', '=', trace)
    .where('id', '=', assessment.id)
    .execute();
}

/** Whether there is such an assessment. */
export async function setValid(db: Db, trace: string, id: string, valid: boolean): Promise<boolean> {
  const { numUpdatedRows } = await tables(db)
    .updateTable('tracking_assessment')
    .set({ valid: valid ? 1 : 0 })
    .where('trace', '=', trace)
    .where('id', '=', id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function dropAssessment(db: Db, trace: string, id: string): Promise<void> {
  await tables(db).deleteFrom('tracking_assessment').where('trace', '=', trace).where('id', '=', id).execute();
}

/** The columns that an update may change. */
function changing(assessment: Assessment) {
  return {
    name: assessment.name,
    value: JSON.stringify(assessment.value ?? null),
    ...comparedValue(assessment.value),
    error: assessment.error === undefined ? null : JSON.stringify(assessment.error),
    rationale: assessment.rationale ?? null,
    metadata: JSON.stringify(assessment.metadata),
    updated_at: assessment.updatedAt,
  };
}

function assessmentOf(row: AssessmentTable): Assessment {
  return {
    id: row.id,
    trace: row.trace.slice(row.trace.indexOf('/') + 1),
    name: row.name,
    kind: row.kind as AssessmentKind,
    value: JSON.parse(row.value),
    error: row.error === null ? undefined : (JSON.parse(row.error) as AssessmentError),
    rationale: row.rationale ?? undefined,
    source: { type: row.source_type as SourceType, id: row.source },
    span: row.span ?? undefined,
    metadata: JSON.parse(row.metadata) as Record<string, string>,
    overrides: row.overrides ?? undefined,
    valid: row.valid === 1,
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
  };
}
