import { useRouter, useRouterState } from '@tanstack/react-router';
import { useMemo } from 'react';

export type UrlChanges = Readonly<Record<string, string | number | undefined>>;

export interface Url {
  get(name: string): string | undefined;
  /** A number of the search string; undefined when it is absent or none. */
  number(name: string): number | undefined;
  /** The address of this view with other values; undefined removes one. */
  href(changes: UrlChanges): string;
  /** Goes there without a new entry in the history, because nobody wants to go back through every filter. */
  set(changes: UrlChanges): void;
}

/** The search string is where a view keeps its tab, filters and range, so that its address shows the same to others. */
export function useUrl(): Url {
  const router = useRouter();
  const { pathname, searchStr } = useRouterState({ select: (state) => state.location });
  return useMemo(() => {
    const values = new URLSearchParams(searchStr);
    const href = (changes: UrlChanges): string => {
      // What the address is now, not when this was rendered: two changes within one event must not undo each other.
      const isHere = router.history.location.pathname === pathname;
      const next = new URLSearchParams(isHere ? router.history.location.search : searchStr);
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined || value === '') next.delete(name);
        else next.set(name, String(value));
      }
      const text = next.toString();
      return text ? `${pathname}?${text}` : pathname;
    };
    return {
      get: (name) => values.get(name) ?? undefined,
      number: (name) => {
        const text = values.get(name);
        const value = text === null ? Number.NaN : Number(text);
        return Number.isFinite(value) ? value : undefined;
      },
      href,
      set: (changes) => router.history.replace(href(changes)),
    };
  }, [router, pathname, searchStr]);
}
