import type { kedge } from '../../data/read.ts';

export type Trace = Awaited<ReturnType<typeof kedge.tracking.findTraces>>['items'][number];
export type TraceWithSpans = Awaited<ReturnType<typeof kedge.tracking.getTrace>>;
export type Span = TraceWithSpans['spans'][number];
export type SpanDetail = Awaited<ReturnType<typeof kedge.tracking.getSpan>>;
export type Assessment = Trace['assessments'][number];

/** The word that the console has for the state of a trace. */
export const STATUS_OF_STATE: Readonly<Record<Trace['state'], string>> = {
  OK: 'ok',
  ERROR: 'failed',
  IN_PROGRESS: 'running',
  STATE_UNSPECIFIED: 'none',
};

/** `850 µs`, `12.4 ms`, `3.2 s`: how long a step took. */
export function formatMicros(us: number): string {
  if (us < 1_000) return `${Math.round(us)} µs`;
  if (us < 100_000) return `${(us / 1_000).toFixed(1)} ms`;
  if (us < 1_000_000) return `${Math.round(us / 1_000)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(2)} s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** What an assessment says, in a few words. */
export function saidBy({ value, error }: Assessment): string {
  if (error !== null) return error;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '–');
}

/** What a preview says: of JSON that holds one text, such as `{"question": "…"}`, the text alone. */
export function previewText(preview: string | null): string | null {
  if (preview === null || !/^[{["]/.test(preview)) return preview;
  try {
    const value: unknown = JSON.parse(preview);
    if (typeof value === 'string') return value;
    const inner = typeof value === 'object' && value !== null ? Object.values(value) : [];
    return inner.length === 1 && typeof inner[0] === 'string' ? inner[0] : preview;
  } catch {
    return cutPreview(preview);
  }
}

/** A preview that was cut off is no JSON any more. Its text is still told from the braces around it. */
function cutPreview(preview: string): string {
  const [, text] = /^(?:\{"[^"]*": ?)?"((?:[^"\\]|\\.)*)\.\.\.$/s.exec(preview) ?? [];
  return text === undefined ? preview : `${text}…`;
}
