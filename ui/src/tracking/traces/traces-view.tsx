import { useRouter } from '@tanstack/react-router';
import { type ReactNode, type RefObject, useCallback, useMemo, useRef } from 'react';
import { formatCount } from '../../data/format.ts';
import { useUrl } from '../../data/use-url.ts';
import { Empty, Failure, Loading } from '../../kit/states.tsx';
import { TableBody } from '../../kit/table/table-body.tsx';
import { TableHead } from '../../kit/table/table-head.tsx';
import { useRowKeys } from '../../kit/table/use-row-keys.ts';
import { places } from '../../places.ts';
import { FilterBox } from '../filter-box.tsx';
import type { Trace } from './trace.ts';
import { traceColumns, traceOrder } from './trace-columns.tsx';
import { traceLanguage } from './trace-language.ts';
import { type Traces, useTraces } from './use-traces.ts';

const EXAMPLE = "status = 'ERROR' AND span.type = 'LLM' AND feedback.correct = 'false'";
const NONE: readonly Trace[] = [];

/** The traces of an experiment. The filter (`find`) and the order (`order`) are in the address. */
export function TracesView({ experiment }: { readonly experiment: string }) {
  const url = useUrl();
  const input = useRef<HTMLInputElement>(null);
  const filter = url.get('find') ?? '';
  const order = url.get('order') ?? '';
  const traces = useTraces(experiment, { filter, order: traceOrder(order) });
  const { items = NONE } = traces;
  const language = useMemo(() => traceLanguage(items), [items]);
  const isFilterWrong = (traces.error as { code?: string } | null)?.code === 'search/invalid-filter';
  return (
    <>
      <FilterBox
        value={filter}
        language={language}
        label="Filter traces"
        example={EXAMPLE}
        error={isFilterWrong ? traces.error : null}
        input={input}
        onChange={(text) => url.set({ find: text })}
      />
      <div className="toolbar">
        <Count traces={traces} />
        <span className="toolbar-end">
          <button type="button" className="button button-quiet" onClick={traces.again}>
            Look again
          </button>
        </span>
      </div>
      <Found traces={traces} isFilterWrong={isFilterWrong} isFiltered={filter !== ''}>
        {(rows) => (
          <TracesGrid
            rows={rows}
            order={order}
            onOrder={(value) => url.set({ order: value })}
            search={input}
            onNearEnd={traces.more}
          />
        )}
      </Found>
    </>
  );
}

function Count({ traces: { items, total, isLoading } }: { readonly traces: Traces }) {
  const loaded = items?.length ?? 0;
  return (
    <>
      <span className="muted" aria-live="polite">
        {total === undefined
          ? '–'
          : loaded < total
            ? `${formatCount(loaded)} of ${formatCount(total)} traces loaded`
            : `${formatCount(total)} ${total === 1 ? 'trace' : 'traces'}`}
      </span>
      {isLoading && items ? <span className="muted">loading…</span> : null}
    </>
  );
}

interface TracesGridProps {
  readonly rows: readonly Trace[];
  readonly order: string;
  readonly onOrder: (order: string | undefined) => void;
  readonly search: RefObject<HTMLInputElement | null>;
  readonly onNearEnd: () => void;
}

function TracesGrid({ rows, order, onOrder, search, onNearEnd }: TracesGridProps) {
  const router = useRouter();
  const open = useCallback(
    (index: number) => {
      const trace = rows[index];
      if (trace) router.history.push(places.trace(trace.id, trace.experiment));
    },
    [rows, router],
  );
  const marked = useRowKeys({ count: rows.length, onOpen: open, search, isListening: true });
  return (
    <TableBody
      label="traces"
      head={<TableHead columns={traceColumns} order={order} onOrder={onOrder} />}
      rows={rows}
      columns={traceColumns}
      idOf={(trace) => trace.id}
      to={undefined}
      marked={marked}
      onNearEnd={onNearEnd}
    />
  );
}

interface FoundProps {
  readonly traces: Traces;
  readonly isFilterWrong: boolean;
  readonly isFiltered: boolean;
  readonly children: (items: readonly Trace[]) => ReactNode;
}

function Found({ traces: { items, error, again }, isFilterWrong, isFiltered, children }: FoundProps) {
  if (isFilterWrong) return <p className="table-none">Nothing is searched for until the filter can be read.</p>;
  if (error) return <Failure error={error} retry={again} />;
  if (!items) return <Loading rows={16} />;
  if (items.length > 0) return children(items);
  if (isFiltered) return <p className="table-none">No trace matches.</p>;
  return (
    <Empty
      what="No trace yet. What MLflow's clients trace comes here, and what OpenTelemetry's exporters send:"
      command={firstTrace}
    />
  );
}

const firstTrace = `import mlflow
mlflow.set_tracking_uri("${window.location.origin}")

@mlflow.trace
def answer(question):
    return "42"`;
