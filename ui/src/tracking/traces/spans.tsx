import { useEffect, useMemo, useState } from 'react';
import { useUrl } from '../../data/use-url.ts';
import { Empty } from '../../kit/states.tsx';
import { SpanDetailPanel } from './span-detail.tsx';
import { endOf, type SpanRow, spanRows } from './span-tree.ts';
import type { TraceWithSpans } from './trace.ts';
import { Waterfall } from './waterfall.tsx';

/** The steps of a trace as a tree over time, and what lies in the one that is chosen. The choice is in the address. */
export function Spans({ trace }: { readonly trace: TraceWithSpans }) {
  const url = useUrl();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => spanRows(trace.spans, closed), [trace.spans, closed]);
  const end = useMemo(() => endOf(trace.spans), [trace.spans]);
  const named = url.get('span');
  const chosen = trace.spans.find(({ id }) => id === named) ?? firstToShow(trace, rows);
  const choose = (id: string): void => url.set({ span: id });
  const fold = (id: string, isClosed: boolean): void =>
    setClosed((before) => {
      const next = new Set(before);
      if (isClosed) next.add(id);
      else next.delete(id);
      return next;
    });
  useSpanKeys({ rows, chosen: chosen?.id, onChoose: choose, onFold: fold });
  if (!chosen) return <Empty what="No step of this trace has arrived." />;
  return (
    <div className="spans">
      <Waterfall rows={rows} end={end} chosen={chosen.id} onChoose={choose} onFold={fold} />
      <SpanDetailPanel trace={trace} span={chosen} />
    </div>
  );
}

/** The innermost step that failed tells most; otherwise the first. */
function firstToShow(trace: TraceWithSpans, rows: readonly SpanRow[]): TraceWithSpans['spans'][number] | undefined {
  const failed = rows.filter(({ span }) => span.status === 'ERROR');
  const deepest = failed.reduce<SpanRow | undefined>(
    (best, row) => (best === undefined || row.depth > best.depth ? row : best),
    undefined,
  );
  return deepest?.span ?? rows[0]?.span ?? trace.spans[0];
}

interface SpanKeys {
  readonly rows: readonly SpanRow[];
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
  readonly onFold: (id: string, isClosed: boolean) => void;
}

/** `j` and `k`, or the arrows, go from step to step; left closes one, right opens it. */
function useSpanKeys({ rows, chosen, onChoose, onFold }: SpanKeys): void {
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      const isTyping = event.target instanceof Element && event.target.closest('input, textarea, select, pre');
      if (isTyping || event.metaKey || event.ctrlKey || event.altKey) return;
      const at = rows.findIndex(({ span }) => span.id === chosen);
      const row = rows[at];
      const next = { j: at + 1, ArrowDown: at + 1, k: at - 1, ArrowUp: at - 1 }[event.key];
      const to = next === undefined ? undefined : rows[Math.min(rows.length - 1, Math.max(0, next))];
      if (to) onChoose(to.span.id);
      else if (event.key === 'ArrowLeft' && row) onFold(row.span.id, true);
      else if (event.key === 'ArrowRight' && row) onFold(row.span.id, false);
      else return;
      event.preventDefault();
    }
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [rows, chosen, onChoose, onFold]);
}
