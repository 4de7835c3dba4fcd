import type { Evidence } from '#registry/contract';

export interface Metric {
  readonly name: string;
  readonly value: number;
}

/** The sentence that evidence brings for people. */
export function summaryOf({ data }: Evidence): string | undefined {
  const summary = fieldOf(data, 'summary');
  return typeof summary === 'string' ? summary : undefined;
}

/** What gates compare: the numbers under `metrics`, or else, of an evaluation, those at the top. */
export function metricsOf({ kind, data }: Evidence): readonly Metric[] {
  const metrics = fieldOf(data, 'metrics') ?? (kind === 'evaluation' ? data : null);
  if (metrics === null || typeof metrics !== 'object') return [];
  return Object.entries(metrics).flatMap(([name, value]) => (typeof value === 'number' ? [{ name, value }] : []));
}

function fieldOf(data: Evidence['data'], name: string): unknown {
  return data !== null && typeof data === 'object' && !Array.isArray(data)
    ? (data as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** Of each kind the newest, since newer evidence supersedes older, in the order in which the kinds first came. */
export function newestByKind(evidence: readonly Evidence[]): readonly Evidence[] {
  const newest = new Map<string, Evidence>();
  for (const each of evidence) newest.set(each.kind === 'approval' ? each.id : each.kind, each);
  return [...newest.values()];
}
