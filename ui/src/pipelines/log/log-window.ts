import type { LogLine } from '#pipelines/contract';

/** A part of a log that is in memory: lines that follow each other, and whether there are more on either side. */
export interface LogWindow {
  readonly lines: readonly LogLine[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
}

export interface WindowLimits {
  readonly lines: number;
  readonly characters: number;
}

/** However long a log is, the page holds so much of it. */
export const LIMITS: WindowLimits = { lines: 8_000, characters: 8_000_000 };

export const emptyWindow: LogWindow = { lines: [], hasOlder: false, hasNewer: false };

/** Adds lines after the last one; what is too much then is dropped at the front. */
export function appended(window: LogWindow, items: readonly LogLine[], limits: WindowLimits = LIMITS): LogWindow {
  if (items.length === 0) return window;
  const lines = [...window.lines, ...items];
  const first = lines.length - fitting(lines.toReversed(), limits);
  return { lines: lines.slice(first), hasOlder: window.hasOlder || first > 0, hasNewer: window.hasNewer };
}

/** Adds lines before the first one; what is too much then is dropped at the end. */
export function prepended(
  window: LogWindow,
  { items, hasOlder }: { readonly items: readonly LogLine[]; readonly hasOlder: boolean },
  limits: WindowLimits = LIMITS,
): LogWindow {
  const lines = [...items, ...window.lines];
  const end = fitting(lines, limits);
  return { lines: lines.slice(0, end), hasOlder, hasNewer: window.hasNewer || end < lines.length };
}

/** How many of the lines, from the first on, are within the limits; one at least. */
function fitting(lines: readonly LogLine[], limits: WindowLimits): number {
  let characters = 0;
  for (const [at, { text }] of lines.entries()) {
    characters += text.length;
    if (at > 0 && (at >= limits.lines || characters > limits.characters)) return at;
  }
  return lines.length;
}
