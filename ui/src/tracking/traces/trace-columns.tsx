import { Check, X } from 'lucide-react';
import { formatCount, formatDurationShort } from '../../data/format.ts';
import { Age } from '../../kit/age.tsx';
import { Go } from '../../kit/link.tsx';
import { StatusChip } from '../../kit/status.tsx';
import type { Column } from '../../kit/table/column.ts';
import { places } from '../../places.ts';
import { isOwnTag } from '../run.ts';
import { type Assessment, previewText, STATUS_OF_STATE, saidBy, type Trace } from './trace.ts';

const SAID_SHOWN = 2;

/** Columns of traces. Those that the server orders by have its names as their ids. */
export const traceColumns: readonly Column<Trace>[] = [
  {
    id: 'name',
    header: 'Trace',
    value: (trace) => trace.name ?? trace.id,
    cell: (trace) => <Go to={places.trace(trace.id, trace.experiment)}>{trace.name ?? trace.id.slice(0, 12)}</Go>,
  },
  {
    id: 'status',
    header: 'Status',
    value: (trace) => trace.state,
    cell: (trace) => <StatusChip status={STATUS_OF_STATE[trace.state]} />,
  },
  {
    id: 'timestamp_ms',
    header: 'Began',
    value: (trace) => trace.requestedAt,
    cell: (trace) => <Age at={trace.requestedAt} />,
  },
  {
    id: 'execution_time_ms',
    header: 'Took',
    value: (trace) => trace.durationMs,
    cell: (trace) => (
      <span className="nowrap">{trace.durationMs === null ? '–' : formatDurationShort(trace.durationMs)}</span>
    ),
    isNumeric: true,
  },
  {
    id: 'tokens',
    header: 'Tokens',
    value: (trace) => trace.tokens,
    cell: (trace) => (trace.tokens === null ? '–' : formatCount(trace.tokens)),
    isNumeric: true,
  },
  { id: 'request', header: 'Request', value: (trace) => previewText(trace.requestPreview), isWide: true },
  { id: 'response', header: 'Response', value: (trace) => previewText(trace.responsePreview), isWide: true },
  {
    id: 'assessments',
    header: 'Assessments',
    value: (trace) => trace.assessments.length,
    cell: (trace) => <Said assessments={trace.assessments.filter(({ valid }) => valid)} />,
  },
  {
    id: 'tags',
    header: 'Tags',
    value: (trace) => tagsText(trace) || null,
    cell: (trace) => <span className="said">{tagsText(trace) || <span className="muted">–</span>}</span>,
  },
];

/** What the server orders by for a table's order, as in `-execution_time_ms`; empty where it has none for a column. */
export function traceOrder(order: string): string {
  const id = order.replace(/^-/, '');
  const isKnown = ['name', 'status', 'timestamp_ms', 'execution_time_ms'].includes(id);
  return isKnown ? `${id} ${order.startsWith('-') ? 'DESC' : 'ASC'}` : '';
}

function tagsText({ tags }: Trace): string {
  const own = Object.entries(tags).filter(([key]) => isOwnTag(key));
  return own.map(([key, value]) => `${key}: ${value}`).join(', ');
}

function Said({ assessments }: { readonly assessments: readonly Assessment[] }) {
  if (assessments.length === 0) return <span className="muted">–</span>;
  const more = assessments.length - SAID_SHOWN;
  return (
    <span className="said">
      {assessments.slice(0, SAID_SHOWN).map((one) => (
        <AssessmentValue key={one.id} assessment={one} />
      ))}
      {more > 0 ? <span className="muted">+{more}</span> : null}
    </span>
  );
}

/** `correct ✓ yes`: the name of an assessment and what it says. Word and icon say it, not colour alone. */
function AssessmentValue({ assessment }: { readonly assessment: Assessment }) {
  const { name, value, error } = assessment;
  const Icon = value === true ? Check : value === false || error !== null ? X : undefined;
  const tone = value === false || error !== null ? 'attention' : 'ok';
  return (
    <span className="chip" data-tone={tone} title={`${name}: ${saidBy(assessment)}`}>
      <span className="muted">{name}</span>
      {Icon ? <Icon size={12} aria-hidden /> : null}
      <span className="said-value">{saidBy(assessment)}</span>
    </span>
  );
}
