import { useState } from 'react';

interface Held<Item> {
  readonly items: readonly Item[];
  /** Items that are there but not shown yet. */
  readonly waiting: number;
  readonly release: () => void;
  readonly handlers: { readonly onPointerEnter: () => void; readonly onPointerLeave: () => void };
}

/**
 * A list that keeps its rows in place while the pointer is over it: the rows that are shown are renewed where they
 * stand, and those that came meanwhile wait. `reset` names what the person chose (filter, order): a change of it lets
 * everything in at once.
 */
export function useHeld<Item>(items: readonly Item[], idOf: (item: Item) => string, reset = ''): Held<Item> {
  const [frozen, setFrozen] = useState<{ readonly shown: readonly Item[]; readonly reset: string } | null>(null);
  const release = () => setFrozen(null);
  const handlers = {
    onPointerEnter: () => setFrozen({ shown: items, reset }),
    onPointerLeave: release,
  };
  if (!frozen || frozen.reset !== reset) return { items, waiting: 0, release, handlers };
  const renewed = new Map(items.map((item) => [idOf(item), item]));
  const shown = new Set(frozen.shown.map(idOf));
  return {
    items: frozen.shown.map((item) => renewed.get(idOf(item)) ?? item),
    waiting: items.filter((item) => !shown.has(idOf(item))).length,
    release,
    handlers,
  };
}
