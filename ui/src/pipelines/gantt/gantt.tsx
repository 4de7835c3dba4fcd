import { type PointerEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import type { RunDetail, StepView } from '#pipelines/contract';
import { exactTime, formatDurationShort } from '../../data/format.ts';
import { useUrl } from '../../data/use-url.ts';
import { lookOf } from '../../kit/status.tsx';
import { progressText } from '../run-words.ts';
import { type Span, spansOf, timesOf } from './spans.ts';
import { useSeconds } from './use-seconds.ts';

interface GanttProps {
  readonly run: RunDetail;
  readonly chosen: string | undefined;
  readonly onChoose: (step: string) => void;
}

/** What the track shows, in milliseconds from the start of the run. */
interface View {
  readonly from: number;
  readonly to: number;
}

const TICKS = 4;
/** A drag that is shorter is a click. */
const DRAG_PX = 6;
const VIEW_MIN_MS = 10;

/**
 * The attempts of each step over time, with how long it was queued. Dragging over the tracks shows a span larger; the
 * address keeps it (`span`, milliseconds from the start).
 */
export function Gantt({ run, chosen, onChoose }: GanttProps) {
  const url = useUrl();
  const isOpen = run.finishedAt === null;
  const now = useSeconds(isOpen);
  const start = run.admittedAt ?? run.createdAt;
  const whole = Math.max((run.finishedAt ?? now) - start, 1);
  const view = viewOf(url.get('span'), whole);
  const setView = (next: View | undefined) =>
    url.set({ span: next && `${Math.round(Math.max(0, next.from))}-${Math.round(Math.min(whole, next.to))}` });
  const rows = run.steps.map((step) => ({ step, spans: spansOf(step, run, now) }));
  rows.sort((a, b) => (a.spans[0]?.from ?? Infinity) - (b.spans[0]?.from ?? Infinity));
  const isZoomed = view.from > 0 || view.to < whole;
  return (
    <>
      <div className="toolbar gantt-tools">
        <Legend />
        <span className="section-aside">
          <ZoomButton label="Longer span" text="−" onClick={() => setView(scaled(view, 2, whole))} off={!isZoomed} />
          <ZoomButton label="Shorter span" text="+" onClick={() => setView(scaled(view, 0.5, whole))} />
          <ZoomButton label="Earlier" text="‹" onClick={() => setView(moved(view, -0.5, whole))} off={view.from <= 0} />
          <ZoomButton label="Later" text="›" onClick={() => setView(moved(view, 0.5, whole))} off={view.to >= whole} />
          <ZoomButton label="The whole run" text="All" onClick={() => setView(undefined)} off={!isZoomed} />
        </span>
      </div>
      <Tracks view={view} chosen={chosen} onSpan={setView}>
        <Scale view={view} />
        {rows.map(({ step, spans }) => (
          <GanttRow
            key={step.step}
            step={step}
            spans={spans}
            view={{ from: start + view.from, to: start + view.to }}
            isChosen={step.step === chosen}
            onChoose={onChoose}
          />
        ))}
      </Tracks>
    </>
  );
}

function viewOf(text: string | undefined, whole: number): View {
  const [from, to] = (text ?? '').split('-').map(Number);
  const isSpan = from !== undefined && to !== undefined && to - from >= VIEW_MIN_MS && from < whole;
  return isSpan ? { from: Math.max(0, from), to } : { from: 0, to: whole };
}

function scaled({ from, to }: View, factor: number, whole: number): View | undefined {
  const [middle, half] = [(from + to) / 2, Math.max(VIEW_MIN_MS, (to - from) * factor) / 2];
  return half * 2 >= whole ? undefined : moved({ from: middle - half, to: middle + half }, 0, whole);
}

function moved({ from, to }: View, share: number, whole: number): View {
  const length = to - from;
  const start = Math.min(Math.max(0, from + share * length), Math.max(0, whole - length));
  return { from: start, to: start + length };
}

interface ZoomButtonProps {
  readonly label: string;
  readonly text: string;
  readonly onClick: () => void;
  readonly off?: boolean;
}

function ZoomButton({ label, text, onClick, off = false }: ZoomButtonProps) {
  return (
    <button type="button" className="button" aria-label={label} title={label} disabled={off} onClick={onClick}>
      {text}
    </button>
  );
}

const legend = [
  ['queued', undefined, 'queued'],
  ['attempt', 'running', 'running'],
  ['attempt', 'succeeded', 'succeeded'],
  ['attempt', 'failed', 'failed'],
  ['attempt', 'lost', 'worker lost'],
  ['retried', undefined, 'waits for another try'],
] as const;

function Legend() {
  return (
    <span className="gantt-legend">
      {legend.map(([kind, status, words]) => (
        <span key={words}>
          <i className="gantt-bar" data-kind={kind} data-status={status} />
          {words}
        </span>
      ))}
    </span>
  );
}

interface TracksProps {
  readonly view: View;
  readonly chosen: string | undefined;
  readonly onSpan: (span: View) => void;
  readonly children: ReactNode;
}

/** Rows over whose tracks a span is chosen by dragging. */
function Tracks({ view, chosen, onSpan, children }: TracksProps) {
  const box = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another step is chosen, and it may be out of sight.
  useEffect(() => {
    const [frame, row] = [box.current, box.current?.querySelector<HTMLElement>('[aria-pressed=true]')];
    if (!frame || !row) return;
    const [low, high] = [frame.scrollTop + row.offsetHeight, frame.scrollTop + frame.clientHeight - row.offsetHeight];
    if (row.offsetTop < low || row.offsetTop > high) frame.scrollTop = row.offsetTop - frame.clientHeight / 2;
  }, [chosen]);
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number }>();
  const track = () => box.current?.querySelector('.gantt-track')?.getBoundingClientRect();
  function onPointerDown({ button, clientX }: PointerEvent): void {
    const at = track();
    if (button === 0 && at && clientX >= at.left && clientX <= at.right) setDrag({ from: clientX, to: clientX });
  }
  function onPointerUp(): void {
    const at = track();
    setDrag(undefined);
    if (!drag || !at || Math.abs(drag.to - drag.from) < DRAG_PX) return;
    const timeAt = (x: number) =>
      view.from + (Math.min(1, Math.max(0, (x - at.left) / at.width)) || 0) * (view.to - view.from);
    const [from, to] = [timeAt(Math.min(drag.from, drag.to)), timeAt(Math.max(drag.from, drag.to))];
    if (to - from >= VIEW_MIN_MS) onSpan({ from, to });
  }
  const frame = box.current?.getBoundingClientRect();
  return (
    <div
      className="gantt"
      ref={box}
      onPointerDown={onPointerDown}
      onPointerMove={({ clientX }) => drag && setDrag({ ...drag, to: clientX })}
      onPointerUp={onPointerUp}
      onPointerLeave={() => setDrag(undefined)}
    >
      {children}
      {drag && frame && Math.abs(drag.to - drag.from) >= DRAG_PX ? (
        <div
          className="gantt-drag"
          style={{ left: Math.min(drag.from, drag.to) - frame.left, width: Math.abs(drag.to - drag.from) }}
        />
      ) : null}
    </div>
  );
}

function Scale({ view }: { readonly view: View }) {
  return (
    <div className="gantt-row gantt-scale" aria-hidden>
      <span />
      <span className="gantt-track">
        {Array.from({ length: TICKS + 1 }, (_, tick) => {
          const share = tick / TICKS;
          const left = { left: `${share * 100}%` };
          return (
            <span key={share} className="gantt-tick" style={left} data-last={tick === TICKS || undefined}>
              {formatDurationShort(view.from + share * (view.to - view.from))}
            </span>
          );
        })}
      </span>
      <span className="num">queued</span>
      <span className="num">worked</span>
    </div>
  );
}

interface GanttRowProps {
  readonly step: StepView;
  readonly spans: readonly Span[];
  readonly view: View;
  readonly isChosen: boolean;
  readonly onChoose: (step: string) => void;
}

function GanttRow({ step, spans, view, isChosen, onChoose }: GanttRowProps) {
  const { tone, icon: Icon } = lookOf(step.status);
  const { waitedMs, workedMs } = timesOf(spans);
  const tries = step.attempts.length;
  const isBegun = step.startedAt !== null;
  return (
    <button
      type="button"
      className="gantt-row"
      aria-pressed={isChosen}
      onClick={() => onChoose(step.step)}
      title={`${step.step}: ${step.status}${tries > 1 ? `, ${tries} attempts` : ''}`}
    >
      <span className="gantt-name" data-tone={tone}>
        <Icon size={13} aria-hidden />
        <span>{step.step}</span>
        {tries > 1 ? <span className="gantt-tries">{`${tries} attempts`}</span> : null}
        <span className="visually-hidden">{step.status}</span>
      </span>
      <span className="gantt-track">
        {spans.map((span) => (
          <Bar key={`${span.kind}${span.from}`} span={span} step={step} view={view} />
        ))}
        {isBegun ? null : <span className="gantt-note">{progressText(step)}</span>}
      </span>
      <span className="num muted">{waitedMs > 0 ? formatDurationShort(waitedMs) : '–'}</span>
      <span className="num">{step.status === 'cached' ? 'cached' : isBegun ? formatDurationShort(workedMs) : '–'}</span>
    </button>
  );
}

function Bar({ span, step, view }: { readonly span: Span; readonly step: StepView; readonly view: View }) {
  const length = view.to - view.from;
  if (span.to < view.from || span.from > view.to) return null;
  const share = (time: number) => (100 * Math.min(1, Math.max(0, (time - view.from) / length))).toFixed(3);
  const [left, right] = [share(span.from), share(span.to)];
  const status = span.kind === 'attempt' ? span.attempt.status : span.kind === 'step' ? step.status : undefined;
  const { progress } = step;
  const isMoving = status === 'running' && progress !== null && progress.of > 0;
  return (
    <span
      className="gantt-bar"
      data-kind={span.kind}
      data-status={status}
      title={barTitle(span, step)}
      style={{ left: `${left}%`, width: `max(${span.kind === 'attempt' ? 3 : 1}px, ${Number(right) - Number(left)}%)` }}
    >
      {isMoving ? <span className="gantt-done" style={{ width: `${(100 * progress.n) / progress.of}%` }} /> : null}
    </span>
  );
}

const waits = { queued: 'queued for a worker', retried: 'waits for another try', asked: 'waits' } as const;

function barTitle(span: Span, step: StepView): string {
  const took = `${formatDurationShort(span.to - span.from)} from ${exactTime(span.from)}`;
  if (span.kind === 'step') return `${step.step}: ${step.status}, ${took}`;
  if (span.kind !== 'attempt') return `${step.step}: ${waits[span.kind]}, ${took}`;
  const { epoch, status, worker, error } = span.attempt;
  const why = error ? `. ${error.kind}: ${error.message}` : '';
  return `${step.step}, attempt ${epoch} on ${worker}: ${status}, ${took}${why}`;
}
