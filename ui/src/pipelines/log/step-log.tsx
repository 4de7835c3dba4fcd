import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { LogLine, StepView } from '#pipelines/contract';
import { exactTime, formatCount } from '../../data/format.ts';
import { useUrl } from '../../data/use-url.ts';
import { Go } from '../../kit/link.tsx';
import { Section } from '../../kit/page.tsx';
import { Loading, Partial } from '../../kit/states.tsx';
import { useVisibleRows } from '../../kit/table/use-visible-rows.ts';
import { ansiPieces } from './ansi.ts';
import { initialLog, LogReader, type LogState } from './log-reader.ts';

const LINE_HEIGHT = 18;
const ALL_UP_TO = 200;
const END_SLACK_PX = 30;
/** So close to either end of the window more is fetched. */
const NEAR_PX = 1_500;
const TYPING_MS = 300;

/** The log of a step. The address keeps what is searched (`log`) and the line that is pointed at (`line`). */
export function StepLog({ run, step }: { readonly run: string; readonly step: StepView }) {
  const url = useUrl();
  const search = url.get('log') ?? '';
  const contains = useSettled(search.trim());
  const line = url.number('line');
  const { state, reader } = useLog({ run, step: step.step, contains, line: contains ? undefined : line });
  const { lines, isDone, isLoaded, isSearching, error } = state;
  const isStarted = step.startedAt !== null || lines.length > 0;
  return (
    <Section
      title="Log"
      note={isLoaded ? noteOf(state, contains, isStarted) : null}
      aside={
        <input
          className="input"
          type="search"
          aria-label="Find in the log"
          placeholder="Find in the log"
          maxLength={200}
          value={search}
          onChange={(event) => url.set({ log: event.currentTarget.value, line: undefined })}
        />
      }
    >
      {error ? <Partial>The log is not renewed: {error.message}</Partial> : null}
      {lines.length > 0 ? (
        <LogLines state={state} reader={reader} marked={contains ? undefined : line} contains={contains} />
      ) : isLoaded && !isSearching ? (
        <p className="muted">{contains ? `No line has “${contains}”.` : emptyText(step, isDone)}</p>
      ) : (
        <Loading rows={4} height={LINE_HEIGHT} />
      )}
    </Section>
  );
}

/** A text when it has not changed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(text), TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return settled;
}

interface OfLog {
  readonly run: string;
  readonly step: string;
  readonly contains: string;
  readonly line: number | undefined;
}

function useLog({ run, step, contains, line }: OfLog) {
  const [state, setState] = useState(initialLog);
  const [reader, setReader] = useState<LogReader>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a line that is in the window already is only marked.
  useEffect(() => {
    const next = new LogReader({ run, step, contains }, setState);
    setState(initialLog);
    setReader(next);
    next.start(line);
    return () => next.stop();
  }, [run, step, contains]);
  return { state, reader };
}

function noteOf(state: LogState, contains: string, isStarted: boolean): string {
  const { lines, isDone, hasOlder, hasNewer, isSearching } = state;
  const what = contains ? `${countOf(state)} with “${contains}”` : countOf(state);
  if (isSearching) return `${what} so far, the search goes on`;
  return isDone || hasNewer || !isStarted || (hasOlder && lines.length === 0) ? what : `${what}, follows`;
}

/** How many lines the page holds; of one attempt and without a search, which ones. */
function countOf({ lines, hasOlder, hasNewer }: LogState): string {
  const count = lines.length === 1 ? '1 line' : `${formatCount(lines.length)} lines`;
  const [first, last] = [lines[0], lines.at(-1)];
  if (!hasOlder && !hasNewer) return count;
  if (!first || !last || first.epoch !== last.epoch || last.number - first.number !== lines.length - 1) {
    return `${count} of more, others as you scroll`;
  }
  return `lines ${formatCount(first.number)} to ${formatCount(last.number)}, others as you scroll`;
}

function emptyText(step: StepView, isDone: boolean): string {
  if (step.status === 'cached') return 'Taken from the cache: nothing ran, so there is no log. The other run has it.';
  if (step.startedAt === null) return 'Nothing has run yet.';
  return isDone ? 'The step wrote nothing.' : 'Nothing written so far.';
}

interface LogLinesProps {
  readonly state: LogState;
  readonly reader: LogReader | undefined;
  readonly marked: number | undefined;
  readonly contains: string;
}

/** The lines in a window of their own; it stays at the end while it is at the end. */
function LogLines({ state, reader, marked, contains }: LogLinesProps) {
  const { lines, hasNewer, hasOlder } = state;
  const scroller = useRef<HTMLDivElement>(null);
  const [isFollowing, setFollowing] = useState(marked === undefined);
  const { start, end } = useVisibleRows(scroller, { count: lines.length, rowHeight: LINE_HEIGHT, allUpTo: ALL_UP_TO });
  function follow(is: boolean): void {
    setFollowing(is);
    reader?.follows(is);
  }
  useKeptPlace(scroller, lines, isFollowing && !hasNewer);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each line that is pointed at.
  useLayoutEffect(() => {
    const at = lines.findIndex(({ position }) => position === marked);
    const element = scroller.current;
    if (!element || at < 0) return;
    follow(false);
    element.scrollTop = at * LINE_HEIGHT - element.clientHeight / 3;
  }, [marked]);
  function onScroll(): void {
    const element = scroller.current;
    // Where the lines of before were scrolled to says nothing of those that are about to be drawn.
    if (!element || !reader?.holds(lines)) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    follow(below < END_SLACK_PX && !hasNewer);
    if (element.scrollTop < NEAR_PX && hasOlder) void reader?.older();
    else if (below < NEAR_PX && hasNewer) void reader?.newer();
  }
  async function toEnd(): Promise<void> {
    if (hasNewer) await reader?.toEnd();
    follow(true);
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }
  async function toStart(): Promise<void> {
    follow(false);
    if (hasOlder) await reader?.toStart();
    if (scroller.current) scroller.current.scrollTop = 0;
  }
  const isMany = lines.some(({ epoch }) => epoch !== lines[0]?.epoch);
  return (
    <div className="log-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
      <div className="log" ref={scroller} role="log" tabIndex={0} onScroll={onScroll}>
        <div style={{ height: start * LINE_HEIGHT }} />
        {lines.slice(start, end).map((line) => (
          <Line
            key={line.position}
            line={line}
            isMany={isMany}
            isMarked={line.position === marked}
            contains={contains}
          />
        ))}
        <div style={{ height: (lines.length - end) * LINE_HEIGHT }} />
      </div>
      <div className="log-ways">
        {hasOlder ? (
          <button type="button" className="button" onClick={() => void toStart()}>
            To the start
          </button>
        ) : null}
        {isFollowing && !hasNewer ? null : (
          <button type="button" className="button" onClick={() => void toEnd()}>
            To the end
          </button>
        )}
      </div>
    </div>
  );
}

/** Keeps under the eye what was there when lines came or went above it, or the end when that is followed. */
function useKeptPlace(
  scroller: { readonly current: HTMLDivElement | null },
  lines: readonly LogLine[],
  isFollowing: boolean,
): void {
  const before = useRef<readonly LogLine[]>(lines);
  useLayoutEffect(() => {
    const element = scroller.current;
    const [then, now] = [before.current, lines];
    before.current = lines;
    if (!element) return;
    if (isFollowing) {
      element.scrollTop = element.scrollHeight;
      return;
    }
    const [first, firstThen] = [now[0]?.position, then[0]?.position];
    if (first === undefined || firstThen === undefined || first === firstThen) return;
    const added = now.findIndex(({ position }) => position === firstThen);
    const dropped = then.findIndex(({ position }) => position === first);
    if (added > 0) element.scrollTop += added * LINE_HEIGHT;
    else if (dropped > 0) element.scrollTop -= dropped * LINE_HEIGHT;
  }, [scroller, lines, isFollowing]);
}

interface LineProps {
  readonly line: LogLine;
  /** More than one attempt is in the window. */
  readonly isMany: boolean;
  readonly isMarked: boolean;
  readonly contains: string;
}

function Line({ line: { position, epoch, number, at, stream, text }, isMany, isMarked, contains }: LineProps) {
  const url = useUrl();
  return (
    <div className="log-line" data-stream={stream} data-marked={isMarked || undefined}>
      <Go
        className="log-number"
        to={url.href({ line: position, log: undefined })}
        tabIndex={-1}
        title={`Attempt ${epoch}, line ${number}: the address of this line`}
      >
        {isMany ? `${epoch}:${number}` : number}
      </Go>
      <span className="log-time" title={`${exactTime(at)}, ${stream}`}>
        {new Date(at).toISOString().slice(11, 19)}
      </span>
      <span className="log-stream">{stream}</span>
      <span>
        {ansiPieces(text).map(({ text: piece, look }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a line do not change.
          <span key={index} className={look || undefined}>
            {found(piece, contains)}
          </span>
        ))}
      </span>
    </div>
  );
}

/** A text with what is searched marked in it. */
function found(text: string, contains: string): ReactNode {
  if (!contains) return text;
  const parts: ReactNode[] = [];
  const [lower, wanted] = [text.toLowerCase(), contains.toLowerCase()];
  let at = 0;
  for (let hit = lower.indexOf(wanted); hit >= 0; hit = lower.indexOf(wanted, at)) {
    parts.push(text.slice(at, hit), <mark key={hit}>{text.slice(hit, hit + wanted.length)}</mark>);
    at = hit + wanted.length;
  }
  return [...parts, text.slice(at)];
}
