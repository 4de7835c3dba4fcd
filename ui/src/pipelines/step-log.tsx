import { useEffect, useMemo, useRef, useState } from 'react';
import type { LogLine, StepView } from '#pipelines/contract';
import { exactTime, formatCount } from '../data/format.ts';
import { useUrl } from '../data/use-url.ts';
import { Section } from '../kit/page.tsx';
import { Partial } from '../kit/states.tsx';
import { useVisibleRows } from '../kit/table/use-visible-rows.ts';
import { useStepLog } from './use-step-log.ts';

const LINE_HEIGHT = 18;
const ALL_UP_TO = 200;
const END_SLACK_PX = 30;

export function StepLog({ run, step }: { readonly run: string; readonly step: StepView }) {
  const url = useUrl();
  const { lines, isDone, error } = useStepLog(run, step.step);
  const search = url.get('log') ?? '';
  const shown = useMemo(() => {
    const wanted = search.toLowerCase();
    return wanted ? lines.filter(({ text }) => text.toLowerCase().includes(wanted)) : lines;
  }, [lines, search]);
  const isStarted = step.attempts.length > 0;
  return (
    <Section
      title="Log"
      note={noteOf(lines.length, isDone, isStarted)}
      aside={
        <input
          className="input"
          type="search"
          aria-label="Find in the log"
          placeholder="Find in the log"
          value={search}
          onChange={(event) => url.set({ log: event.currentTarget.value })}
        />
      }
    >
      {error ? <Partial>The log is not renewed: {error.message}</Partial> : null}
      {lines.length > 0 ? <LogLines lines={shown} /> : <p className="muted">{emptyText(step, isDone)}</p>}
    </Section>
  );
}

function noteOf(lines: number, isDone: boolean, isStarted: boolean): string {
  const text = lines === 1 ? '1 line' : `${formatCount(lines)} lines`;
  return isDone || !isStarted ? text : `${text}, follows`;
}

function emptyText(step: StepView, isDone: boolean): string {
  if (step.status === 'cached') return 'Taken from the cache: nothing ran, so there is no log. The other run has it.';
  if (step.attempts.length === 0) return 'Nothing has run yet.';
  return isDone ? 'The step wrote nothing.' : 'Nothing written so far.';
}

/** The lines in a window of their own; it stays at the end while it is at the end. */
function LogLines({ lines }: { readonly lines: readonly LogLine[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [isFollowing, setFollowing] = useState(true);
  const { start, end } = useVisibleRows(scroller, { count: lines.length, rowHeight: LINE_HEIGHT, allUpTo: ALL_UP_TO });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new line is what makes it scroll.
  useEffect(() => {
    const element = scroller.current;
    if (element && isFollowing) element.scrollTop = element.scrollHeight;
  }, [lines.length, isFollowing]);
  function onScroll(): void {
    const element = scroller.current;
    if (element) setFollowing(element.scrollHeight - element.scrollTop - element.clientHeight < END_SLACK_PX);
  }
  return (
    <div className="log-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
      <div className="log" ref={scroller} role="log" tabIndex={0} onScroll={onScroll}>
        <div style={{ height: start * LINE_HEIGHT }} />
        {lines.slice(start, end).map(({ position, at, stream, text }) => (
          <div key={position} className="log-line" data-stream={stream} title={`${exactTime(at)}, ${stream}`}>
            <span className="log-time">{new Date(at).toISOString().slice(11, 19)}</span>
            <span className="log-stream">{stream}</span>
            <span>{text}</span>
          </div>
        ))}
        <div style={{ height: (lines.length - end) * LINE_HEIGHT }} />
      </div>
      {isFollowing ? null : (
        <button type="button" className="button log-end" onClick={() => setFollowing(true)}>
          To the end
        </button>
      )}
    </div>
  );
}
