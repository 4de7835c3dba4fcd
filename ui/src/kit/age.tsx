import { exactTime, formatDay, formatSpan, formatTime } from '../data/format.ts';
import { useNow } from '../data/use-now.ts';

const FRESH_MS = 5_000;

/** How long ago something happened on the wall clock; the exact time is in the title. */
export function Age({ at }: { readonly at: number | null | undefined }) {
  const now = useNow();
  if (at === null || at === undefined) return <span className="muted">–</span>;
  const age = now - at;
  const text = age < FRESH_MS ? 'just now' : `${formatSpan(age)} ago`;
  return (
    <time className="nowrap" dateTime={new Date(at).toISOString()} title={`${exactTime(at)} (wall time)`}>
      {text}
    </time>
  );
}

/** A time of the data itself. It has no age: the data may be from another century than the machine. */
export function EventTime({ at, day = false }: { readonly at: number | null | undefined; readonly day?: boolean }) {
  if (at === null || at === undefined) return <span className="muted">–</span>;
  return (
    <time className="nowrap" dateTime={new Date(at).toISOString()} title={`${exactTime(at)} (event time)`}>
      {day ? formatDay(at) : formatTime(at)}
    </time>
  );
}
