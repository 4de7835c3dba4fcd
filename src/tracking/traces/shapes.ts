import { z } from 'zod';

/** What the console and other clients of the platform's own API are shown of traces. */

const traceState = z.enum(['STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS']);

export const traceId = z.string().regex(/^[A-Za-z0-9][\w.:-]{0,255}$/, 'expected the id of a trace');
export const spanId = z.string().regex(/^[0-9a-f]{16}$/, 'expected 16 hexadecimal digits');

const assessmentView = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['feedback', 'expectation', 'issue']),
  /** Any JSON. */
  value: z.unknown(),
  error: z.string().nullable(),
  rationale: z.string().nullable(),
  source: z.object({ type: z.string(), id: z.string() }),
  span: z.string().nullable(),
  /** Whether no other assessment stands in for it. */
  valid: z.boolean(),
  createdAt: z.number(),
  updatedAt: z.number(),
});

export const traceView = z.object({
  id: z.string(),
  experiment: z.string(),
  name: z.string().nullable(),
  state: traceState,
  /** Epoch milliseconds. */
  requestedAt: z.number(),
  durationMs: z.number().nullable(),
  requestPreview: z.string().nullable(),
  responsePreview: z.string().nullable(),
  clientRequestId: z.string().nullable(),
  /** How many tokens were used in all, where the trace tells. */
  tokens: z.number().nullable(),
  tags: z.record(z.string(), z.string()),
  metadata: z.record(z.string(), z.string()),
  assessments: z.array(assessmentView),
});

const spanView = z.object({
  id: z.string(),
  parent: z.string().nullable(),
  name: z.string(),
  type: z.string(),
  status: z.enum(['UNSET', 'OK', 'ERROR']),
  /** Microseconds after the first span of the trace began. */
  startUs: z.number(),
  /** Null while it has not ended. */
  durationUs: z.number().nullable(),
});

export const traceWithSpansView = traceView.extend({ spans: z.array(spanView) });

const named = z.object({ key: z.string(), value: z.unknown() });

export const spanDetailView = spanView.extend({
  message: z.string().nullable(),
  /** Any JSON; undefined where the span has none. */
  inputs: z.unknown(),
  outputs: z.unknown(),
  /** All others. */
  attributes: z.array(named),
  events: z.array(z.object({ name: z.string(), atUs: z.number(), attributes: z.array(named) })),
  links: z.array(z.object({ trace: z.string(), span: z.string() })),
  /** The process that the span comes from. */
  resource: z.array(named),
});
