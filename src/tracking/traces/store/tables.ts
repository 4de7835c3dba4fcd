/** One trace. Its key is `<project>/<id>`: two projects may see the same distributed trace, each its own part. */
export interface TraceTable {
  key: string;
  project: string;
  id: string;
  experiment: string;
  /** The tag mlflow.traceName. */
  name: string | null;
  requested_at: number;
  duration: number | null;
  state: string;
  client_request_id: string | null;
  request_preview: string | null;
  response_preview: string | null;
  artifact_uri: string;
  /** How many spans are stored here; none for a trace whose client keeps them in a file. */
  spans: number;
  /** How large the stored spans are together. */
  span_bytes: number;
  /** 1 once the client has told of the trace as a whole, which its spans then no longer change. */
  reported: number;
  created_by: string;
  created_at: number;
  deleted_at: number | null;
}

export interface SpanTable {
  trace: string;
  span: string;
  parent: string | null;
  name: string;
  type: string;
  status: string;
  started_us: number;
  ended_us: number | null;
  /** JSON: the beginning of each attribute as text, which searches compare. */
  attributes: string;
  /** JSON: the span in OTLP's mapping. */
  content: string;
}

interface TraceKeyed {
  trace: string;
  key: string;
  value: string;
}

export interface AssessmentTable {
  id: string;
  trace: string;
  position: number;
  name: string;
  kind: string;
  /** JSON. */
  value: string;
  /** The value as text, which searches compare. */
  text: string;
  number: number | null;
  /** JSON. */
  error: string | null;
  rationale: string | null;
  source_type: string;
  source: string;
  span: string | null;
  /** JSON: an object of texts. */
  metadata: string;
  overrides: string | null;
  valid: number;
  created_by: string;
  created_at: number;
  updated_at: number;
}

export interface TraceTables {
  readonly tracking_trace: TraceTable;
  readonly tracking_trace_tag: TraceKeyed;
  readonly tracking_trace_metadata: TraceKeyed;
  readonly tracking_span: SpanTable;
  readonly tracking_trace_run: { trace: string; run: string };
  readonly tracking_trace_prompt: { trace: string; name: string; version: string };
  readonly tracking_assessment: AssessmentTable;
}
