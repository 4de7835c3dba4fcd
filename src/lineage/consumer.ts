import type { Digest } from '#core/hash';
import {
  pipelineRunFinished,
  pipelineRunStarted,
  pipelineStepFinished,
  pipelineStepWaiting,
  type RunFacts,
  runFacts,
  runGraph,
  stepFacts,
} from '#pipelines';
import type { Tx } from '#platform/db';
import type { Consumer, PlatformEvent } from '#platform/events';
import type { BlobStore } from '#ports/blob-store';
import { versionRegistered } from '#registry';
import { datasetRead, type PinnedDataset } from './datasets.ts';
import { eventOfRun, eventOfStep, eventOfVersion, type Identity } from './run-event.ts';
import type { RunEvent } from './spec.ts';
import { appendEvent, countEvents } from './store.ts';

/** Manifests remembered at a time; each stands for one commit of a dataset. */
const PINNED_MAX = 200;

const ENDS: Readonly<Record<string, RunEvent['eventType'] | undefined>> = {
  succeeded: 'COMPLETE',
  cached: 'COMPLETE',
  failed: 'FAIL',
  cancelled: 'ABORT',
};

export interface ConsumerDeps {
  readonly blobs: BlobStore;
  readonly identity: Identity;
  readonly reader: Parameters<typeof runFacts>[0];
  /**
   * The run of a pipeline in which a version was registered, by the run that the version names: that run itself, or a
   * tracked run that a step of it started.
   */
  readonly pipelineRunOf: (runId: string) => Promise<string | undefined>;
  /** What manifests of pinned datasets said, remembered by their digest. */
  readonly pinned: Map<string, PinnedDataset>;
}

/**
 * Tells each fact about a run in OpenLineage's words. The events are written in the transaction that moves the cursor,
 * so each is there once. What has to be read from the blob store is read before it.
 */
export function lineageConsumer(deps: ConsumerDeps): Consumer {
  const { pinned } = deps;
  return {
    name: 'lineage.events',
    types: [
      ...[pipelineRunStarted.type, pipelineStepWaiting.type, pipelineStepFinished.type, pipelineRunFinished.type],
    ],
    async effect(event) {
      const { run, step } = aboutOf(event);
      if (step === undefined) return;
      const steps = await stepFacts(deps.reader, run, step);
      // Most steps read nothing that is pinned, and then nothing else of the run is needed.
      if (!steps.some(({ definition }) => Object.keys(definition.pinned).length > 0)) return;
      const facts = await runFacts(deps.reader, run, step);
      if (facts) await readPinned(deps.blobs, facts, pinned);
    },
    async handle(tx, event) {
      const about = aboutOf(event);
      const facts = await runFacts(tx.db, about.run, about.step);
      if (!facts) return;
      const tell = teller(tx, { facts, pinned, identity: deps.identity });
      if (event.type === pipelineRunStarted.type) return tell.begun(event.time);
      if (about.step === undefined) return tellRun(event, tell);
      return tellStep(event, tell);
    },
  };
}

interface Teller {
  /** The START of the step, with the time at which it began, and that its run goes on if nobody said so. */
  start(now: number): Promise<void>;
  /** The START of the run, with its graph, if it is not there yet. */
  begun(at: number): Promise<void>;
  run(type: RunEvent['eventType'], at: number): Promise<void>;
  step(type: RunEvent['eventType'], at: number): Promise<void>;
  has(type: RunEvent['eventType'], of: 'run' | 'step'): Promise<boolean>;
  readonly facts: RunFacts;
}

export function teller(
  tx: Pick<Tx, 'db'>,
  {
    facts,
    pinned,
    identity,
  }: {
    readonly facts: RunFacts;
    readonly pinned: ReadonlyMap<string, PinnedDataset>;
    readonly identity: Identity;
  },
): Teller {
  const { run } = facts.run;
  const [step] = facts.steps;
  const ofStep = { run, step: step?.step ?? '' };
  const has: Teller['has'] = async (type, of) =>
    (await countEvents(tx.db, of === 'run' ? { run, step: '' } : ofStep, type)) > 0;
  const tellRunOf: Teller['run'] = (type, at) =>
    appendEvent(tx.db, { run, step: '' }, eventOfRun({ type, at, facts, pinned }, identity));
  const tellStepOf: Teller['step'] = async (type, at) => {
    if (step) await appendEvent(tx.db, ofStep, eventOfStep({ type, at, facts, pinned }, step, identity));
  };
  return {
    facts,
    has,
    run: tellRunOf,
    async begun(at) {
      if (await has('START', 'run')) return;
      const told = { type: 'START', at, facts, pinned, graph: await runGraph(tx.db, run) } as const;
      await appendEvent(tx.db, { run, step: '' }, eventOfRun(told, identity));
    },
    step: tellStepOf,
    async start(now) {
      if (await has('START', 'step')) return;
      const at = step?.startedAt ?? now;
      if (step?.startedAt !== null && !(await has('RUNNING', 'run'))) await tellRunOf('RUNNING', at);
      await tellStepOf('START', at);
    },
  };
}

async function tellRun(event: PlatformEvent, tell: Teller): Promise<void> {
  const type = ENDS[pipelineRunFinished.read(event).status];
  if (type) await tell.run(type, event.time);
}

async function tellStep(event: PlatformEvent, tell: Teller): Promise<void> {
  if (event.type === pipelineStepWaiting.type) return tell.start(event.time);
  const { status } = pipelineStepFinished.read(event);
  const type = ENDS[status];
  const started = await tell.has('START', 'step');
  // What was skipped, or cancelled before it began, did not happen: there is nothing to tell of it.
  const began = started || status === 'cached' || tell.facts.steps[0]?.startedAt !== null;
  if (!type || !began) return;
  if (!started) await tell.start(event.time);
  await tell.step(type, event.time);
}

function aboutOf(event: PlatformEvent): { readonly run: string; readonly step?: string } {
  if (event.type === pipelineRunStarted.type) return { run: pipelineRunStarted.read(event).run };
  if (event.type === pipelineRunFinished.type) return { run: pipelineRunFinished.read(event).run };
  return event.type === pipelineStepWaiting.type ? pipelineStepWaiting.read(event) : pipelineStepFinished.read(event);
}

/** Reads what is not remembered of the datasets that the steps of `facts` were pinned to. */
export async function readPinned(blobs: BlobStore, facts: RunFacts, known: Map<string, PinnedDataset>): Promise<void> {
  for (const step of facts.steps) {
    for (const [input, { digest }] of Object.entries(step.definition.pinned)) {
      if (datasetRead(facts, step, input) === undefined || known.has(digest)) continue;
      const found = await pinnedDataset(blobs, digest);
      if (!found) continue;
      known.set(digest, found);
      const [oldest] = known.keys();
      if (known.size > PINNED_MAX && oldest !== undefined) known.delete(oldest);
    }
  }
}

/** What a manifest says; undefined for one that is gone, or is none. Lineage then tells the digest alone. */
async function pinnedDataset(blobs: BlobStore, digest: Digest): Promise<PinnedDataset | undefined> {
  if (!(await blobs.has(digest))) return undefined;
  const manifest = JSON.parse(new TextDecoder().decode(await blobs.read(digest))) as {
    readonly commit?: number;
    readonly columns?: Readonly<Record<string, string>>;
    readonly blobs?: readonly { readonly rows?: number }[];
  };
  const { commit, columns, blobs: segments } = manifest;
  if (commit === undefined || !columns || !segments) return undefined;
  const rows = segments.reduce((sum, segment) => sum + (segment.rows ?? 0), 0);
  return { commit, columns, rows, files: segments.length };
}

/** Tells which versions of models a run registered: they lead from what is deployed to data, code and parameters. */
export function versionConsumer(deps: ConsumerDeps): Consumer {
  const { identity, pinned } = deps;
  return {
    name: 'lineage.versions',
    types: [versionRegistered.type],
    async handle(tx, event) {
      const { model, version, runId } = versionRegistered.read(event);
      const run = runId === null ? undefined : await deps.pipelineRunOf(runId);
      const facts = run === undefined ? undefined : await runFacts(tx.db, run);
      if (run === undefined || !facts) return;
      // Two consumers write: what a run does is told after its start, whichever of them comes first.
      await teller(tx, { facts, pinned, identity }).begun(facts.run.createdAt);
      const told = { type: 'OTHER', at: event.time, facts, pinned } as const;
      await appendEvent(tx.db, { run, step: '' }, eventOfVersion(told, { model, version }, identity));
    },
  };
}
