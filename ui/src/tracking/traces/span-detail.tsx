import { useQuery } from '@tanstack/react-query';
import { read } from '../../data/read.ts';
import { Id } from '../../kit/copy.tsx';
import { Facts } from '../../kit/page.tsx';
import { Load, Loading } from '../../kit/states.tsx';
import { StatusChip } from '../../kit/status.tsx';
import { isOwnTag } from '../run.ts';
import { formatMicros, type Span, type SpanDetail, saidBy, type TraceWithSpans } from './trace.ts';
import { Value } from './value.tsx';
import { kindText } from './waterfall.tsx';

const STATUS = { OK: 'ok', ERROR: 'failed', UNSET: 'none' } as const;

interface SpanDetailPanelProps {
  readonly trace: TraceWithSpans;
  readonly span: Span;
}

/** One step: what went in, what came out, and whatever else it says. */
export function SpanDetailPanel({ trace, span }: SpanDetailPanelProps) {
  const found = useQuery(read('tracking', 'getSpan', { params: { trace: trace.id, span: span.id } }));
  const said = trace.assessments.filter((one) => one.span === span.id);
  return (
    <aside className="span-detail" aria-label={`Step ${span.name}`}>
      <header className="span-head">
        <h2>{span.name}</h2>
        {span.status === 'UNSET' ? null : <StatusChip status={STATUS[span.status]} />}
        <span className="muted">
          {[span.type === 'UNKNOWN' ? '' : kindText(span.type), span.durationUs && formatMicros(span.durationUs)]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </header>
      {said.map((one) => (
        <p key={one.id}>
          <span className="muted">{one.name}</span> {saidBy(one)}
        </p>
      ))}
      <Load query={found} loading={<Loading rows={6} />}>
        {(detail) => <Detail detail={detail} />}
      </Load>
    </aside>
  );
}

function Detail({ detail }: { readonly detail: SpanDetail }) {
  const { message, inputs, outputs, attributes, events, links, resource } = detail;
  const isEmpty = inputs === undefined && outputs === undefined && attributes.length === 0 && events.length === 0;
  return (
    <>
      {message ? (
        <p className="span-message" role="alert">
          {message}
        </p>
      ) : null}
      {inputs === undefined ? null : <Value title="Inputs" value={inputs} />}
      {outputs === undefined ? null : <Value title="Outputs" value={outputs} />}
      {events.map((event, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: nothing else tells events apart, and they never change.
        <Event key={index} event={event} />
      ))}
      {attributes.length > 0 ? <Facts title="Attributes" items={ownFirst(attributes).map(factOf)} /> : null}
      {links.length > 0 ? (
        <Facts title="Links" items={links.map(({ trace, span }) => [span, <Id key={span} value={trace} />] as const)} />
      ) : null}
      {resource.length > 0 ? <Facts title="Process" items={resource.map(factOf)} /> : null}
      {isEmpty ? <p className="muted">This step says nothing of what went in or came out.</p> : null}
    </>
  );
}

function Event({ event }: { readonly event: SpanDetail['events'][number] }) {
  const stack = event.attributes.find(({ key }) => key === 'exception.stacktrace');
  const others = event.attributes.filter((attribute) => attribute !== stack);
  return (
    <section className="span-event">
      <h3>
        {event.name} <span className="muted">at {formatMicros(event.atUs)}</span>
      </h3>
      {others.length > 0 ? <Facts items={others.map(factOf)} /> : null}
      {stack ? <Value title="Stack" value={stack.value} isFolded /> : null}
    </section>
  );
}

/** What MLflow adds for itself is of less interest. */
function ownFirst(attributes: SpanDetail['attributes']): SpanDetail['attributes'] {
  return [...attributes.filter(({ key }) => isOwnTag(key)), ...attributes.filter(({ key }) => !isOwnTag(key))];
}

function factOf({ key, value }: { readonly key: string; readonly value?: unknown }) {
  return [key, typeof value === 'string' ? value : (JSON.stringify(value) ?? '–')] as const;
}
