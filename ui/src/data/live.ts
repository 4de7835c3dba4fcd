import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { type EventView, LIVE_PATH } from '#platform/activity/contract';
import type { Domain } from './read.ts';

/** At most four rounds of fetching a second, however many events arrive. */
const FLUSH_MS = 250;
const RETRY_MS = 3_000;

export type ConnectionState = 'connecting' | 'live' | 'offline';
interface Connection {
  readonly state: ConnectionState;
  /** Wall time of the newest event, in epoch milliseconds. */
  readonly lastEventAt: number | null;
}

/** What an event makes stale, by the first word of its type. Its own domain, and those that show what it changed. */
const staleAfter: Readonly<Record<string, readonly Domain[]>> = {
  dataset: ['datasets'],
  pipeline: ['pipelines', 'records', 'tracking', 'schedules', 'backfills', 'triggers'],
  schedule: ['schedules'],
  trigger: ['triggers'],
  registry: ['registry', 'governance'],
  serving: ['serving', 'registry'],
  monitoring: ['monitoring', 'serving'],
  automation: ['automation', 'pipelines'],
  incident: ['automation'],
  governance: ['governance'],
  resource: [
    'resources',
    'serving',
    'pipelines',
    'monitoring',
    'automation',
    'governance',
    'features',
    'datasets',
    'schedules',
    'triggers',
  ],
};

let connection: Connection = { state: 'connecting', lastEventAt: null };
const listeners = new Set<() => void>();

function tell(change: Partial<Connection>): void {
  connection = { ...connection, ...change };
  for (const listener of listeners) listener();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => connection,
  );
}

/**
 * Follows the control plane's events for as long as the page lives. The browser reconnects by itself and says which
 * event it saw last; after a gap everything is fetched again, since a server may have started over.
 */
export function startLive(queryClient: QueryClient): void {
  const stale = new Set<string>();
  let isScheduled = false;
  let wasLost = false;

  function flush(): void {
    isScheduled = false;
    const busy = new Set<string>();
    for (const domain of stale) {
      // A fetch that is under way may have been answered before the event: the domain waits for it, then goes again.
      if (queryClient.isFetching({ queryKey: [domain] }) > 0) busy.add(domain);
      else void queryClient.invalidateQueries({ queryKey: [domain] });
    }
    stale.clear();
    for (const domain of busy) stale.add(domain);
    if (stale.size > 0) schedule();
  }

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    window.setTimeout(flush, FLUSH_MS);
  }

  function onEvent(event: EventView): void {
    tell({ lastEventAt: event.time });
    stale.add('activity');
    for (const domain of staleAfter[event.type.split('.')[0] ?? ''] ?? []) stale.add(domain);
    schedule();
  }

  function open(): void {
    const source = new EventSource(LIVE_PATH);
    source.onopen = () => {
      tell({ state: 'live' });
      if (wasLost) void queryClient.invalidateQueries();
      wasLost = false;
    };
    source.onmessage = (message: MessageEvent<string>) => onEvent(JSON.parse(message.data) as EventView);
    source.onerror = () => {
      wasLost = true;
      const isClosed = source.readyState === EventSource.CLOSED;
      tell({ state: isClosed ? 'offline' : 'connecting' });
      if (isClosed) window.setTimeout(open, RETRY_MS);
    };
  }
  open();
}
