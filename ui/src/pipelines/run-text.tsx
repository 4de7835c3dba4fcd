import type { ReactNode } from 'react';
import { Go } from '../kit/link.tsx';
import { places } from '../places.ts';

const RUN_ID = /\bprun_[a-z0-9]+/g;
const SHOWN_LENGTH = 12;

/** A text with the runs that it names as links; their ids are shown short. */
export function RunText({ text }: { readonly text: string }) {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const { 0: id, index } of text.matchAll(RUN_ID)) {
    parts.push(text.slice(at, index), <RunLink key={index} run={id} />);
    at = index + id.length;
  }
  return (
    <>
      {parts}
      {text.slice(at)}
    </>
  );
}

export function RunLink({ run }: { readonly run: string }) {
  return (
    <Go to={places.run(run)} title={run}>
      {run.length > SHOWN_LENGTH ? `${run.slice(0, SHOWN_LENGTH)}…` : run}
    </Go>
  );
}
