import { useCallback, useState } from 'react';

/** A table as somebody wants to see it again: the search string of its address, under a name. */
export interface SavedView {
  readonly name: string;
  readonly search: string;
}

interface SavedViews {
  readonly views: readonly SavedView[];
  /** Replaces the one of the same name. */
  readonly save: (view: SavedView) => void;
  readonly remove: (name: string) => void;
}

const VIEWS_MAX = 50;

/** The views of one experiment that were saved in this browser. */
export function useSavedViews(experiment: string): SavedViews {
  const key = `kedge-run-views:${experiment}`;
  const [views, setViews] = useState(() => stored(key));
  const put = useCallback(
    (next: readonly SavedView[]) => {
      setViews(next);
      localStorage.setItem(key, JSON.stringify(next));
    },
    [key],
  );
  return {
    views,
    save: (view) => put([...views.filter(({ name }) => name !== view.name), view].slice(-VIEWS_MAX)),
    remove: (removed) => put(views.filter(({ name }) => name !== removed)),
  };
}

/** What is not a list of views, as an older console may have left it, counts as none. */
function stored(key: string): readonly SavedView[] {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(read) ? read.filter(isView) : [];
  } catch {
    return [];
  }
}

function isView(value: unknown): value is SavedView {
  const { name, search } = (value ?? {}) as { name?: unknown; search?: unknown };
  return typeof name === 'string' && typeof search === 'string';
}
