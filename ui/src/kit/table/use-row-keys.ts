import { type RefObject, useEffect, useState } from 'react';

interface RowKeys {
  readonly count: number;
  readonly onOpen: (row: number) => void;
  readonly search: RefObject<HTMLInputElement | null>;
  /** Only one table of a page listens. */
  readonly isListening: boolean;
}

/** `j` and `k` move through the rows, Enter opens, `/` goes to the filter. Returns the row that is marked, or -1. */
export function useRowKeys({ count, onOpen, search, isListening }: RowKeys): number {
  const [marked, setMarked] = useState(-1);
  const row = Math.min(marked, count - 1);
  useEffect(() => {
    if (!isListening) return;
    function onKey(event: KeyboardEvent): void {
      const isTyping =
        event.target instanceof Element && event.target.closest('input, textarea, select, [role=dialog]');
      if (isTyping || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.key === 'j') setMarked(Math.min(count - 1, row + 1));
      else if (event.key === 'k') setMarked(Math.max(0, row - 1));
      else if (event.key === '/' && search.current) search.current.focus();
      else if (event.key === 'Enter' && row >= 0 && isIdle(event.target)) onOpen(row);
      else return;
      event.preventDefault();
    }
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [count, row, onOpen, search, isListening]);
  return row;
}

/** Enter on a link or button is for that. */
function isIdle(target: EventTarget | null): boolean {
  return !(target instanceof Element && target.closest('a, button, summary'));
}
