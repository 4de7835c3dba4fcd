import type { z } from 'zod';
import type { ForeignRoute } from '#platform/http';
import type { AssessmentChange, AssessmentDraft, AssessmentService } from '../../../traces/assessments.ts';
import type { AssessmentError, AssessmentKind } from '../../../traces/model.ts';
import { KEY_LENGTH_MAX } from '../fields.ts';
import { jsonText } from '../json-text.ts';
import { invalidValue, mlflowRoute } from '../route.ts';
import { wire } from '../wire.ts';
import {
  assessment,
  expectation,
  feedback,
  map,
  type SentAssessment,
  type SentError,
  traceId,
  VALUE_LENGTH_MAX,
} from './fields.ts';
import { sentAssessment } from './views.ts';

const one = () => ({ trace_id: traceId(), assessment_id: wire.required(256) });

/** The fields that an update may name. */
const changes = wire.message({
  assessment_name: wire.required(KEY_LENGTH_MAX).optional(),
  feedback: feedback.optional(),
  expectation: expectation.optional(),
  rationale: wire.string(VALUE_LENGTH_MAX).optional(),
  metadata: map({ valueMax: VALUE_LENGTH_MAX, max: 100 }).optional(),
});

export function assessmentRoutes(service: AssessmentService): ForeignRoute[] {
  const path = 'traces/:trace_id/assessments' as const;
  return [
    mlflowRoute({
      name: 'assessments.create',
      major: 3,
      method: 'POST',
      path,
      permission: 'tracking:write',
      audit: 'assessment.create',
      input: { trace_id: traceId(), assessment: assessment() },
      async handler(input, ctx) {
        const draft = draftOf(input.assessment, 'assessment', { withId: false });
        return { assessment: sentAssessment(await service.create(ctx, input.trace_id, draft)) };
      },
    }),
    mlflowRoute({
      name: 'assessments.get',
      major: 3,
      method: 'GET',
      path: `${path}/:assessment_id`,
      permission: 'tracking:read',
      reads: true,
      input: one(),
      handler: async (input, ctx) => ({
        assessment: sentAssessment(await service.get(ctx, input.trace_id, input.assessment_id)),
      }),
    }),
    mlflowRoute({
      name: 'assessments.update',
      major: 3,
      method: 'PATCH',
      path: `${path}/:assessment_id`,
      permission: 'tracking:write',
      audit: 'assessment.update',
      input: { ...one(), assessment: changes, update_mask: wire.string(1_000) },
      async handler(input, ctx) {
        const of = { trace: input.trace_id, id: input.assessment_id };
        const change = changeOf(input.assessment, maskOf(input.update_mask));
        return { assessment: sentAssessment(await service.update(ctx, of, change)) };
      },
    }),
    mlflowRoute({
      name: 'assessments.delete',
      major: 3,
      method: 'DELETE',
      path: `${path}/:assessment_id`,
      permission: 'tracking:write',
      audit: 'assessment.delete',
      input: one(),
      async handler(input, ctx) {
        await service.delete(ctx, input.trace_id, input.assessment_id);
        return {};
      },
    }),
  ];
}

/** An assessment as it was sent. With a trace it may bring an id along, so that telling it again adds none. */
export function draftOf(sent: SentAssessment, path: string, options: { readonly withId: boolean }): AssessmentDraft {
  const told = [sent.feedback, sent.expectation, sent.issue].filter((value) => value !== undefined);
  if (told.length !== 1) {
    throw invalidValue(path, sent.assessment_name, 'exactly one of feedback, expectation and issue is given');
  }
  return {
    id: options.withId ? sent.assessment_id || undefined : undefined,
    name: sent.assessment_name,
    ...saidOf(sent, path),
    rationale: sent.rationale || undefined,
    source: { type: sent.source.source_type, id: sent.source.source_id },
    span: sent.span_id || undefined,
    metadata: sent.metadata,
    overrides: sent.overrides || undefined,
    createdAt: sent.create_time,
  };
}

interface Said {
  readonly kind: AssessmentKind;
  readonly value: unknown;
  readonly error?: AssessmentError | undefined;
}

function saidOf(sent: Pick<SentAssessment, 'feedback' | 'expectation' | 'issue' | 'error'>, path: string): Said {
  if (sent.issue) return { kind: 'issue', value: sent.issue.issue_name };
  if (sent.expectation) return { kind: 'expectation', value: expectedValue(sent.expectation, path) };
  const error = sent.feedback?.error ?? sent.error;
  return { kind: 'feedback', value: sent.feedback?.value ?? null, error: error && errorOf(error) };
}

function expectedValue(
  { value, serialized_value: serialized }: NonNullable<SentAssessment['expectation']>,
  path: string,
): unknown {
  if (!serialized) return value ?? null;
  const where = `${path}.expectation.serialized_value`;
  if (serialized.serialization_format !== 'JSON_FORMAT') {
    throw invalidValue(where, serialized.serialization_format, 'only JSON_FORMAT is supported');
  }
  return jsonText(serialized.value, where);
}

function errorOf({ error_code: code, error_message: message, stack_trace: stack }: SentError): AssessmentError {
  return { code, message, stack };
}

const MASKED = ['assessment_name', 'feedback', 'expectation', 'rationale', 'metadata'] as const;

/** A mask of fields as protobuf's JSON has it: `assessmentName,rationale`. */
function maskOf(mask: string): ReadonlySet<string> {
  const names = mask.split(',').map((name) => name.trim().replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  const unknown = names.find((name) => !MASKED.some((known) => known === name));
  if (unknown !== undefined) throw invalidValue('update_mask', mask, `expected some of ${MASKED.join(', ')}`);
  return new Set(names);
}

function changeOf(sent: z.output<typeof changes>, mask: ReadonlySet<string>): AssessmentChange {
  const said = { feedback: undefined, expectation: undefined, issue: undefined, error: undefined };
  const value = mask.has('feedback')
    ? saidOf({ ...said, feedback: sent.feedback ?? {} }, 'assessment')
    : mask.has('expectation')
      ? saidOf({ ...said, expectation: sent.expectation ?? {} }, 'assessment')
      : undefined;
  return {
    ...(mask.has('assessment_name') ? { name: sent.assessment_name } : {}),
    ...value,
    ...(mask.has('rationale') ? { rationale: sent.rationale ?? '' } : {}),
    ...(mask.has('metadata') ? { metadata: sent.metadata ?? {} } : {}),
  };
}
