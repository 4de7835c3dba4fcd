import { places } from '../places.ts';

interface Navigator {
  readonly history: { replace(path: string): void };
}

/**
 * MLflow's clients print links to runs, experiments and versions as MLflow's own pages have them, behind a `#`:
 * `/#/experiments/1/runs/<id>`. Most of these paths lead to the same things here.
 */
export function followMlflowLink({ history }: Navigator): void {
  const follow = (): void => {
    const { pathname, hash } = window.location;
    if (pathname === '/' && hash.startsWith('#/')) history.replace(placeOfMlflowLink(hash.slice(1)));
  };
  follow();
  window.addEventListener('hashchange', follow);
}

/** Where a path of MLflow's pages leads here. Traces and evaluations are chosen by a parameter there. */
export function placeOfMlflowLink(path: string): string {
  const [, experiment, page, query] = /^\/experiments\/([^/?]+)\/(traces|evaluation-runs)\/?(\?.*)?$/.exec(path) ?? [];
  if (experiment === undefined) return path;
  const chosen = new URLSearchParams(query);
  const run = chosen.get('selectedRunUuid');
  if (page === 'evaluation-runs') return run ? places.trackedRun(run, experiment) : places.experiment(experiment);
  const trace = chosen.get('selectedEvaluationId') ?? chosen.get('selectedTraceId');
  return trace ? places.trace(trace, experiment) : places.experiment(experiment, { tab: 'traces' });
}
