import { Bot, Code, User } from 'lucide-react';
import { Age } from '../../kit/age.tsx';
import { Go } from '../../kit/link.tsx';
import { Empty } from '../../kit/states.tsx';
import { DataTable } from '../../kit/table/data-table.tsx';
import { places } from '../../places.ts';
import { type Assessment, saidBy, type TraceWithSpans } from './trace.ts';

const KINDS = { feedback: 'feedback', expectation: 'expected', issue: 'issue' } as const;

/** What people and programs say of a trace. */
export function Assessments({ trace }: { readonly trace: TraceWithSpans }) {
  const spans = new Map(trace.spans.map((span) => [span.id, span.name]));
  return (
    <DataTable
      label="assessments"
      rows={trace.assessments}
      idOf={(one) => one.id}
      empty={<Empty what="Nobody has said anything of this trace." command={firstFeedback(trace.id)} />}
      columns={[
        { id: 'name', header: 'Name', value: (one) => one.name },
        { id: 'kind', header: 'Kind', value: (one) => KINDS[one.kind] },
        {
          id: 'value',
          header: 'Value',
          value: (one) => saidBy(one),
          cell: (one) => (one.valid ? saidBy(one) : <s title="Another one stands in for it">{saidBy(one)}</s>),
        },
        { id: 'rationale', header: 'Because', value: (one) => one.rationale, isWide: true },
        { id: 'source', header: 'Said by', value: (one) => one.source.id, cell: (one) => <Source assessment={one} /> },
        {
          id: 'span',
          header: 'Of step',
          value: (one) => (one.span === null ? null : (spans.get(one.span) ?? one.span)),
          cell: (one) =>
            one.span === null ? (
              <span className="muted">the whole</span>
            ) : (
              <Go to={places.trace(trace.id, trace.experiment, { span: one.span })}>
                {spans.get(one.span) ?? one.span}
              </Go>
            ),
        },
        { id: 'at', header: 'When', value: (one) => one.updatedAt, cell: (one) => <Age at={one.updatedAt} /> },
      ]}
    />
  );
}

function Source({ assessment: { source } }: { readonly assessment: Assessment }) {
  const Icon = source.type === 'HUMAN' ? User : source.type === 'CODE' ? Code : Bot;
  const kind = source.type === 'HUMAN' ? 'a person' : source.type === 'CODE' ? 'code' : 'a judge';
  return (
    <span className="chip" title={kind}>
      <Icon size={13} aria-hidden />
      {source.id}
    </span>
  );
}

const firstFeedback = (trace: string): string => `mlflow.log_feedback(
    trace_id="${trace}",
    name="correct",
    value=True,
    rationale="the answer names its source",
)`;
