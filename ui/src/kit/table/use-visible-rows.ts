import { type RefObject, useEffect, useState } from 'react';

const OVERSCAN = 12;

interface VisibleRows {
  readonly start: number;
  readonly end: number;
}

/** Which rows of a fixed height a scrolling element shows, with some above and below. All of them up to `allUpTo`. */
export function useVisibleRows(
  scroller: RefObject<HTMLElement | null>,
  { count, rowHeight, allUpTo }: { readonly count: number; readonly rowHeight: number; readonly allUpTo: number },
): VisibleRows {
  const [range, setRange] = useState<VisibleRows>({ start: 0, end: allUpTo });
  useEffect(() => {
    const element = scroller.current;
    if (!element || count <= allUpTo) return;
    function measure(): void {
      if (!element) return;
      const first = Math.floor(element.scrollTop / rowHeight);
      const shown = Math.ceil(element.clientHeight / rowHeight);
      const start = Math.max(0, first - OVERSCAN);
      const end = first + shown + OVERSCAN;
      setRange((before) => (before.start === start && before.end === end ? before : { start, end }));
    }
    measure();
    element.addEventListener('scroll', measure, { passive: true });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', measure);
      observer.disconnect();
    };
  }, [scroller, count, rowHeight, allUpTo]);
  return count <= allUpTo
    ? { start: 0, end: count }
    : { start: Math.min(range.start, count), end: Math.min(range.end, count) };
}
