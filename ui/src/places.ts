/** Addresses of the console, so that no page spells another's. */
type Search = Readonly<Record<string, string | number | undefined>>;

function place(path: readonly string[], search: Search = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return `/${path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

export const places = {
  home: () => '/',
  datasets: () => place(['datasets']),
  dataset: (name: string, search?: Search) => place(['datasets', name], search),
  batch: (dataset: string, batch: string) => place(['datasets', dataset, 'batches', batch]),
  features: () => place(['features']),
  featureView: (name: string, search?: Search) => place(['features', name], search),
  pipelines: () => place(['pipelines']),
  pipeline: (name: string, search?: Search) => place(['pipelines', name], search),
  runs: (search?: Search) => place(['runs'], search),
  run: (run: string, search?: Search) => place(['runs', run], search),
  comparedPipelineRuns: (a: string, b: string) => place(['runs', 'compare'], { a, b }),
  schedules: (search?: Search) => place(['schedules'], search),
  experiments: () => place(['experiments']),
  experiment: (experiment: string, search?: Search) => place(['experiments', experiment], search),
  /** Run ids are unique in all experiments: where that of a run is not known, any name will do. */
  trackedRun: (run: string, experiment = '-', search?: Search) =>
    place(['experiments', experiment, 'runs', run], search),
  /** A trace is known by its id alone, as a run is. */
  trace: (trace: string, experiment = '-', search?: Search) =>
    place(['experiments', experiment, 'traces', trace], search),
  comparedRuns: (runs: readonly string[], search?: Search) =>
    place(['compare-runs'], { runs: runs.join(','), ...search }),
  models: () => place(['models']),
  model: (name: string, search?: Search) => place(['models', name], search),
  version: (model: string, version: number | string, search?: Search) =>
    place(['models', model, 'versions', String(version)], search),
  endpoints: () => place(['endpoints']),
  endpoint: (name: string, search?: Search) => place(['endpoints', name], search),
  rollout: (endpoint: string, rollout: string) => place(['endpoints', endpoint], { tab: 'rollouts', rollout }),
  monitoring: () => place(['monitoring']),
  monitored: (endpoint: string, search?: Search) => place(['monitoring', endpoint], search),
  automation: (search?: Search) => place(['automation'], search),
  incident: (incident: string) => place(['automation', 'incidents', incident]),
  governance: (search?: Search) => place(['governance'], search),
  gateDecision: (decision: string) => place(['governance', 'decisions', decision]),
  audit: (search?: Search) => place(['audit'], search),
} as const;

/** Where a subject of an event or an audit entry (`endpoint/delay`) is shown; undefined when nothing shows it. */
export function placeOfSubject(subject: string): string | undefined {
  const slash = subject.indexOf('/');
  const kind = subject.slice(0, slash);
  const name = subject.slice(slash + 1);
  if (slash < 1 || !name) return undefined;
  if (kind === 'model-version') {
    const at = name.lastIndexOf('@');
    return at > 0 ? places.version(name.slice(0, at), name.slice(at + 1)) : undefined;
  }
  return placeOfKind[kind]?.(name);
}

const placeOfKind: Readonly<Record<string, (name: string) => string>> = {
  dataset: places.dataset,
  'feature-view': places.featureView,
  pipeline: places.pipeline,
  'pipeline-run': places.run,
  schedule: (schedule) => places.schedules({ schedule }),
  trigger: () => places.schedules(),
  run: places.run,
  experiment: places.experiment,
  'tracking-run': (run) => places.trackedRun(run),
  trace: (trace) => places.trace(trace.slice(trace.indexOf('/') + 1), trace.split('/')[0]),
  model: places.model,
  endpoint: places.endpoint,
  monitor: () => places.monitoring(),
  rule: (rule) => places.automation({ tab: 'decisions', rule }),
  incident: places.incident,
  'gate-policy': () => places.governance({ tab: 'policies' }),
};
