import { posix } from 'node:path';
import type { RunFacts, runGraph, StepFacts } from '#pipelines';
import { type DatasetContext, inputsOf, outputsOf, type PinnedDataset } from './datasets.ts';
import { openLineageRunId } from './identity.ts';
import { repositoryUrl } from './repository-url.ts';
import { type Facet, type FacetMaker, type Facets, facetsBy, RUN_EVENT_SCHEMA, type RunEvent } from './spec.ts';

export interface Identity {
  readonly namespace: string;
  /** Who says so, a URI. */
  readonly producer: string;
  readonly version: string;
}

export interface Told {
  readonly type: RunEvent['eventType'];
  readonly at: number;
  readonly facts: RunFacts;
  readonly pinned: ReadonlyMap<string, PinnedDataset>;
  /** The steps of the run, told once at its start. */
  readonly graph?: Awaited<ReturnType<typeof runGraph>> | undefined;
}

/** The event about a run as a whole. Datasets stand at its steps, so that no edge is told twice. */
export function eventOfRun({ type, at, facts, graph }: Told, identity: Identity): RunEvent {
  const make = facetsBy(identity.producer);
  const { run } = facts;
  const facets: Facets = {
    ...commonFacets(facts, { make, identity }),
    ...(facts.within === null ? {} : { parent: parentFacet(facts, facts.within, { make, identity }) }),
    executionParameters: make.published('ExecutionParametersRunFacet', { parameters: parametersOf(run.params) }),
    ...(type === 'FAIL' ? { errorMessage: errorFacet(make, run.reason, 'UNKNOWN') } : {}),
  };
  return {
    ...envelope(type, at, identity),
    run: { runId: openLineageRunId(run.run), facets },
    job: {
      namespace: identity.namespace,
      name: run.pipeline,
      facets: {
        jobType: jobType(make, 'PIPELINE'),
        ...codeFacet(make, facts, undefined),
        ...(graph
          ? { kedge_graph: make.own('KedgeGraphJobFacet', { steps: graph.map((step) => ({ ...step })) }) }
          : {}),
      },
    },
    inputs: [],
    outputs: [],
  };
}

/** The event that a run registered a version of a model, which is a dataset of the type MODEL. */
export function eventOfVersion(
  told: Told,
  { model, version }: { readonly model: string; readonly version: number },
  identity: Identity,
): RunEvent {
  const make = facetsBy(identity.producer);
  const facets = {
    version: make.published('DatasetVersionDatasetFacet', { datasetVersion: String(version) }),
    datasetType: make.published('DatasetTypeDatasetFacet', { datasetType: 'MODEL' }),
  };
  return {
    ...eventOfRun(told, identity),
    outputs: [{ namespace: identity.namespace, name: `model/${model}`, facets }],
  };
}

/** The event about a step of a run, with the run as its parent, and what it read and wrote. */
export function eventOfStep({ type, at, facts, pinned }: Told, step: StepFacts, identity: Identity): RunEvent {
  const make = facetsBy(identity.producer);
  const { run } = facts;
  const context: DatasetContext = { namespace: identity.namespace, make, pinned };
  const isOver = type === 'COMPLETE' || type === 'FAIL' || type === 'ABORT';
  const facets: Facets = {
    ...commonFacets(facts, { make, identity, step: isOver ? step : { ...step, status: 'running' } }),
    parent: parentFacet(facts, { run: run.run, pipeline: run.pipeline }, { make, identity }),
    ...needsFacet(facts, step, { make, identity }),
    executionParameters: make.published('ExecutionParametersRunFacet', {
      parameters: parametersOf(step.definition.params),
    }),
    ...(isOver ? environmentFacet(make, facts) : {}),
    ...(type === 'FAIL' ? { errorMessage: errorFacet(make, step.reason, languageOf(step)) } : {}),
  };
  return {
    ...envelope(type, at, identity),
    run: { runId: openLineageRunId(run.run, step.step), facets },
    job: {
      namespace: identity.namespace,
      name: `${run.pipeline}.${step.step}`,
      facets: { jobType: jobType(make, 'STEP'), ...codeFacet(make, facts, step) },
    },
    inputs: inputsOf(facts, step, context),
    outputs: type === 'COMPLETE' ? outputsOf(facts, step, context) : [],
  };
}

/** The run, or the step of one, that something is part of, and the outermost run, which all that lies in it names. */
function parentFacet(
  { root }: RunFacts,
  { run, pipeline, step }: { readonly run: string; readonly pipeline: string; readonly step?: string },
  { make, identity: { namespace } }: { readonly make: FacetMaker; readonly identity: Identity },
): Facet {
  const name = step === undefined ? pipeline : `${pipeline}.${step}`;
  return make.published('ParentRunFacet', {
    run: { runId: openLineageRunId(run, step) },
    job: { namespace, name },
    root: { run: { runId: openLineageRunId(root.run) }, job: { namespace, name: root.pipeline } },
  });
}

/** The steps that had to succeed before: the graph, edge by edge. */
function needsFacet(
  { run }: RunFacts,
  { needs }: StepFacts,
  { make, identity: { namespace } }: { readonly make: FacetMaker; readonly identity: Identity },
): Facets {
  if (needs.length === 0) return {};
  const upstream = needs.map((step) => ({
    job: { namespace, name: `${run.pipeline}.${step}` },
    run: { runId: openLineageRunId(run.run, step) },
    ...{ dependency_type: 'DIRECT_INVOCATION', sequence_trigger_rule: 'FINISH_TO_START' },
    status_trigger_rule: 'EXECUTE_ON_SUCCESS',
  }));
  const body = { upstream, downstream: [], trigger_rule: 'ALL_SUCCESS' };
  return { jobDependencies: make.published('JobDependenciesRunFacet', body) };
}

function envelope(eventType: RunEvent['eventType'], at: number, { producer }: Identity) {
  return { eventType, eventTime: timeOf(at), producer, schemaURL: RUN_EVENT_SCHEMA };
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}

function commonFacets(
  { run, origin }: RunFacts,
  { make, identity, step }: { readonly make: FacetMaker; readonly identity: Identity; readonly step?: StepFacts },
): Facets {
  const { version } = identity;
  const { cause, seed, code, partition } = run;
  const about: Facet = {
    ...{ run: run.run, generation: run.generation, project: run.project, seed, code, partition },
    ...{ cause: { kind: cause.kind, id: cause.id }, origin: run.origin, reproduces: origin.reproduces ?? null },
    ...(step ? { step: step.step, status: step.status, cachedFrom: step.cachedFrom } : {}),
  };
  return {
    processing_engine: make.published('ProcessingEngineRunFacet', {
      ...{ name: 'Kedge', version, openlineageAdapterVersion: version },
    }),
    // The time that the run is about: a tick of a schedule, or event time. Not when it happens to run.
    ...(cause.at === undefined
      ? {}
      : { nominalTime: make.published('NominalTimeRunFacet', { nominalStartTime: timeOf(cause.at) }) }),
    kedge_run: make.own('KedgeRunFacet', about),
  };
}

function jobType(make: FacetMaker, type: 'PIPELINE' | 'STEP'): Facet {
  return make.published('JobTypeJobFacet', { processingType: 'BATCH', integration: 'KEDGE', jobType: type });
}

/** Where the code is, if the declaration came from a commit of a repository with an address. */
function codeFacet(make: FacetMaker, { origin: { source } }: RunFacts, step: StepFacts | undefined): Facets {
  const url = source?.repository === undefined ? undefined : repositoryUrl(source.repository);
  if (!source?.commit || url === undefined) return {};
  const module = step?.definition.function?.module;
  const path = module && source.path !== undefined ? posix.join(posix.dirname(source.path), module) : source.path;
  const body: Facet = {
    ...{ type: 'git', url, repoUrl: url, version: source.commit },
    ...(path === undefined ? {} : { path }),
    ...(source.branch === undefined ? {} : { branch: source.branch }),
  };
  return { sourceCodeLocation: make.published('SourceCodeLocationJobFacet', body) };
}

function environmentFacet(make: FacetMaker, { environments }: RunFacts): Facets {
  if (environments.length === 0) return {};
  const plain = JSON.parse(JSON.stringify(environments));
  return { kedge_environment: make.own('KedgeEnvironmentRunFacet', { environments: plain }) };
}

function errorFacet(make: FacetMaker, message: string | null, programmingLanguage: string): Facet {
  return make.published('ErrorMessageRunFacet', { message: message ?? 'failed', programmingLanguage });
}

function parametersOf(params: Readonly<Record<string, unknown>>): Facet[] {
  return Object.entries(params).map(([key, value]) => ({
    ...{ key, name: key, value: typeof value === 'string' ? value : JSON.stringify(value) },
  }));
}

const LANGUAGES: readonly (readonly [RegExp, string])[] = [
  [/^(?:python|pypy)[0-9.]*$/, 'Python'],
  [/^node$/, 'JavaScript'],
  [/^Rscript$/, 'R'],
  [/^julia$/, 'Julia'],
  [/^java$/, 'Java'],
  [/^(?:ba|z|da)?sh$/, 'Shell'],
];

function languageOf({ definition }: StepFacts): string {
  if (definition.function) return /\.m?ts$/.test(definition.function.module) ? 'TypeScript' : 'JavaScript';
  const program = posix.basename(definition.command?.[0] ?? '');
  return LANGUAGES.find(([pattern]) => pattern.test(program))?.[1] ?? 'UNKNOWN';
}
