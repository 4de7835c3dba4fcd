import { formatDay } from '../data/format.ts';
import { type Url, useUrl } from '../data/use-url.ts';
import { Choice } from '../kit/tabs.tsx';

const DAY_MS = 86_400_000;
const spans = [
  ['', 'All'],
  ['90', '90 d'],
  ['30', '30 d'],
  ['7', '7 d'],
] as const;

export interface Range {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** One range for the page, in event time. Dragging over a chart chooses another. */
export function rangeOf(url: Url): Range {
  return { from: url.number('from'), to: url.number('to') };
}

export function RangePicker({ until }: { readonly until: number | undefined }) {
  const url = useUrl();
  const { from, to } = rangeOf(url);
  const isBrushed = to !== undefined;
  const days = from !== undefined && until !== undefined && !isBrushed ? Math.round((until - from) / DAY_MS) : 0;
  const value = spans.find(([span]) => span === String(days))?.[0] ?? '';
  return (
    <>
      <span className="field-label">Event time</span>
      <Choice
        label="Range of event time"
        options={spans}
        value={isBrushed ? ('custom' as '') : value}
        onChange={(span) =>
          url.set({ from: span && until !== undefined ? until - Number(span) * DAY_MS : undefined, to: undefined })
        }
      />
      {isBrushed && from !== undefined ? (
        <span>
          {formatDay(from)} – {formatDay(to)}
        </span>
      ) : (
        <span className="muted">drag over a chart to zoom</span>
      )}
    </>
  );
}
