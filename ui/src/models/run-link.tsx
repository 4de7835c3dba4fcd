import { Go } from '../kit/link.tsx';
import { places } from '../places.ts';

/** The run that made a version: one of a pipeline, whose ids say so, or else a tracked one. */
export function RunLink({ run }: { readonly run: string }) {
  return (
    <Go to={/^run_/.test(run) ? places.run(run) : places.trackedRun(run)}>
      <code title={run}>{run.slice(0, 13)}</code>
    </Go>
  );
}
