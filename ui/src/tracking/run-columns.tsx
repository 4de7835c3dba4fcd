import { formatDurationShort, formatNumber } from '../data/format.ts';
import { useNow } from '../data/use-now.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { places } from '../places.ts';
import { fieldText } from './filter-completion.ts';
import { durationOf, isOwnTag, numberOf, type RunKeys, type TrackedRun } from './run.ts';

/** The columns that every run has. Their ids are those that filters and orders go by. */
const fixed: readonly Column<TrackedRun>[] = [
  {
    id: 'run_name',
    header: 'Run',
    value: (run) => run.name,
    cell: (run) => <Go to={places.trackedRun(run.id, run.experiment.id)}>{run.name}</Go>,
  },
  { id: 'status', header: 'Status', value: (run) => run.status, cell: (run) => <StatusChip status={run.status} /> },
  { id: 'start_time', header: 'Started', value: (run) => run.startedAt, cell: (run) => <Age at={run.startedAt} /> },
  {
    id: 'duration',
    header: 'Duration',
    value: (run) => run.endedAt,
    cell: (run) => <Duration run={run} />,
    isNumeric: true,
  },
  { id: 'user_id', header: 'User', value: (run) => run.userId || run.startedBy },
  { id: 'run_id', header: 'Run id', value: (run) => run.id, cell: (run) => <code>{run.id}</code> },
];

const SHOWN_AT_FIRST = ['run_name', 'status', 'start_time', 'duration'];
const KEYS_AT_FIRST = 4;

function Duration({ run }: { readonly run: TrackedRun }) {
  return <span className="nowrap">{formatDurationShort(durationOf(run, useNow()))}</span>;
}

function metric(key: string): Column<TrackedRun> {
  return {
    id: `metrics.${key}`,
    header: key,
    value: (run) => (Object.hasOwn(run.metrics, key) ? numberOf(run.metrics[key]?.value ?? '') : null),
    cell: (run) => metricText(run, key),
    isNumeric: true,
  };
}

/** A metric as its run ended, with NaN and the infinities by name. */
export function metricText(run: TrackedRun, key: string): string {
  const sent = Object.hasOwn(run.metrics, key) ? run.metrics[key]?.value : undefined;
  return typeof sent === 'number' ? formatNumber(sent) : (sent ?? '–');
}

function text(kind: 'params' | 'tags', key: string): Column<TrackedRun> {
  const value = (run: TrackedRun) => (Object.hasOwn(run[kind], key) ? (run[kind][key] ?? null) : null);
  return { id: `${kind}.${key}`, header: key, value };
}

export interface ColumnGroup {
  readonly label: string;
  readonly columns: readonly Column<TrackedRun>[];
}

/** All columns that the runs of an experiment can be shown with. */
export function columnGroups({ metrics, params, tags }: RunKeys): readonly ColumnGroup[] {
  const own = tags.filter(isOwnTag);
  const others = tags.filter((key) => !isOwnTag(key));
  return [
    { label: 'Run', columns: fixed },
    { label: 'Metrics', columns: metrics.map(metric) },
    { label: 'Params', columns: params.map((key) => text('params', key)) },
    { label: 'Tags', columns: [...own, ...others].map((key) => text('tags', key)) },
  ];
}

/** Enough to tell runs apart, few enough to fit: params that are the same in all of the first runs are left out. */
export function columnsAtFirst({ metrics, params }: RunKeys, first: readonly TrackedRun[]): readonly string[] {
  const values = (key: string) => new Set(first.map((run) => run.params[key]));
  const telling = params.filter((key) => first.length < 2 || values(key).size > 1);
  return [
    ...SHOWN_AT_FIRST,
    ...metrics.slice(0, KEYS_AT_FIRST).map((key) => `metrics.${key}`),
    ...telling.slice(0, KEYS_AT_FIRST).map((key) => `params.${key}`),
  ];
}

/** Column ids as one part of an address; keys may have commas in them. */
export const columnsText = (ids: readonly string[]): string =>
  ids.map((id) => id.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');
export const columnsOf = (text: string): readonly string[] =>
  text.split(',').map((id) => id.replaceAll('%2C', ',').replaceAll('%25', '%'));

/** What the server orders by for a table's order, as in `-metrics.loss`; empty where it has none for a column. */
export function orderText(order: string): string {
  if (order === '') return '';
  const id = order.replace(/^-/, '');
  const dot = id.indexOf('.');
  const field = dot < 0 ? `attributes.${id}` : fieldText(id.slice(0, dot), id.slice(dot + 1));
  return id === 'duration' ? '' : `${field} ${order.startsWith('-') ? 'DESC' : 'ASC'}`;
}
