import { ChevronDown, ChevronRight, OctagonX } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { formatCount } from '../../data/format.ts';
import { useVisibleRows } from '../../kit/table/use-visible-rows.ts';
import type { SpanRow } from './span-tree.ts';
import { formatMicros } from './trace.ts';

const ROW_HEIGHT = 28;
/** The scale stays in view above the rows. */
const SCALE_HEIGHT = 24;
const ALL_UP_TO = 200;
const INDENT = 14;
/** Deeper steps are not moved further to the right, or their names would have no room. */
const INDENTED_MAX = 12;
const TICKS = [0, 0.25, 0.5, 0.75];

interface WaterfallProps {
  readonly rows: readonly SpanRow[];
  /** When the last step ended, in microseconds. */
  readonly end: number;
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
  readonly onFold: (id: string, isClosed: boolean) => void;
}

/** Steps below the step that called them, with when each ran. */
export function Waterfall({ rows, end, chosen, onChoose, onFold }: WaterfallProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const { start, end: last } = useVisibleRows(scroller, {
    count: rows.length,
    rowHeight: ROW_HEIGHT,
    allUpTo: ALL_UP_TO,
  });
  useEffect(() => {
    const at = rows.findIndex(({ span }) => span.id === chosen);
    const element = scroller.current;
    if (!element || at < 0) return;
    const [top, bottom] = [at * ROW_HEIGHT, SCALE_HEIGHT + (at + 1) * ROW_HEIGHT];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  }, [rows, chosen]);
  return (
    <div className="waterfall">
      <div className="waterfall-rows" ref={scroller} role="tree" aria-label="Steps of the trace" tabIndex={0}>
        <Scale end={end} />
        <div style={{ height: start * ROW_HEIGHT }} />
        {rows.slice(start, last).map((row) => (
          <Step key={row.span.id} row={row} end={end} isChosen={row.span.id === chosen} {...{ onChoose, onFold }} />
        ))}
        <div style={{ height: (rows.length - last) * ROW_HEIGHT }} />
      </div>
    </div>
  );
}

function Scale({ end }: { readonly end: number }) {
  return (
    <div className="waterfall-row waterfall-scale" aria-hidden>
      <span>Step</span>
      <span className="waterfall-track">
        {TICKS.map((share) => (
          <span key={share} className="waterfall-tick" style={{ left: `${share * 100}%` }}>
            {share === 0 ? '0' : formatMicros(end * share)}
          </span>
        ))}
      </span>
      <span className="num">Took</span>
    </div>
  );
}

interface StepProps extends Pick<WaterfallProps, 'end' | 'onChoose' | 'onFold'> {
  readonly row: SpanRow;
  readonly isChosen: boolean;
}

function Step({ row, end, isChosen, onChoose, onFold }: StepProps) {
  const { span, depth, within, isOpen } = row;
  const { startUs, durationUs } = span;
  const tone = span.status === 'ERROR' ? 'bad' : 'active';
  const Fold = isOpen ? ChevronDown : ChevronRight;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the whole page listens to the keys of the tree.
    <div
      className="waterfall-row"
      role="treeitem"
      tabIndex={-1}
      aria-level={depth + 1}
      aria-selected={isChosen}
      aria-expanded={within > 0 ? isOpen : undefined}
      aria-label={`${span.name}, ${kindText(span.type)}${span.status === 'ERROR' ? ', failed' : ''}`}
      data-tone={tone}
      onClick={() => onChoose(span.id)}
    >
      <span className="waterfall-name" style={{ paddingLeft: Math.min(depth, INDENTED_MAX) * INDENT }}>
        {within > 0 ? (
          <button
            type="button"
            className="waterfall-fold"
            tabIndex={-1}
            aria-label={isOpen ? `Close ${span.name}` : `Open ${span.name}`}
            onClick={(event) => {
              event.stopPropagation();
              onFold(span.id, isOpen);
            }}
          >
            <Fold size={12} aria-hidden />
          </button>
        ) : (
          <span className="waterfall-fold" />
        )}
        {span.status === 'ERROR' ? <OctagonX size={12} aria-hidden className="waterfall-failed" /> : null}
        <span className="waterfall-title" title={span.name}>
          {span.name}
        </span>
        {span.type === 'UNKNOWN' ? null : <span className="waterfall-kind">{kindText(span.type)}</span>}
        {isOpen ? null : <span className="muted">+{formatCount(within)}</span>}
      </span>
      <span className="waterfall-track">
        <span
          className="waterfall-bar"
          data-open={durationUs === null || undefined}
          style={{
            left: `${(startUs / end) * 100}%`,
            width: `${((durationUs ?? end - startUs) / end) * 100}%`,
          }}
        />
      </span>
      <span className="num">{durationUs === null ? 'on' : formatMicros(durationUs)}</span>
    </div>
  );
}

/** `CHAT_MODEL` as words. */
export function kindText(type: string): string {
  return type === 'LLM' ? 'LLM' : type.toLowerCase().replaceAll('_', ' ');
}
