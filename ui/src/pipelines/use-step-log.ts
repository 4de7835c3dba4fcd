import { useEffect, useState } from 'react';
import type { LogLine } from '#pipelines/contract';
import { kedge } from '../data/read.ts';

const POLL_MS = 1_000;
const PAGE_LINES = 2_000;

interface StepLogState {
  readonly lines: readonly LogLine[];
  readonly isDone: boolean;
  readonly error: Error | null;
}

const initial: StepLogState = { lines: [], isDone: false, error: null };

/** All lines of a step so far, and those that come, until the step is over. */
export function useStepLog(run: string, step: string): StepLogState {
  const [state, setState] = useState(initial);
  useEffect(() => {
    const abort = new AbortController();
    let timer: number | undefined;
    async function follow(after: number): Promise<void> {
      try {
        const input = { params: { run, step }, query: { after, limit: PAGE_LINES }, signal: abort.signal };
        const { items, next, done } = await kedge.pipelines.readStepLog(input);
        if (abort.signal.aborted) return;
        setState((before) => ({ lines: [...before.lines, ...items], isDone: done, error: null }));
        if (!done) timer = window.setTimeout(() => void follow(next), items.length === PAGE_LINES ? 0 : POLL_MS);
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((before) => ({ ...before, error: error as Error }));
        timer = window.setTimeout(() => void follow(after), 3 * POLL_MS);
      }
    }
    setState(initial);
    void follow(0);
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [run, step]);
  return state;
}
