import type { Migration } from '#platform/db';
import type { DomainParts } from '#platform/domain';
import type { ResourceKind } from '#platform/resources';
import { backfillHandlers } from './backfills/handlers.ts';
import { backfillMigrations } from './backfills/migrations.ts';
import { Backfills } from './backfills/service.ts';
import { pipelineHandlers, workHandlers } from './handlers.ts';
import { leaseExpiryJob, tendJob } from './jobs.ts';
import { attemptMigrations } from './migrations/attempts.ts';
import { pipelineMigrations as runMigrations } from './migrations/index.ts';
import { indexMigrations } from './migrations/indexes.ts';
import { pauseMigrations } from './migrations/pauses.ts';
import { unitMigrations } from './migrations/units.ts';
import { verificationMigrations } from './migrations/verifications.ts';
import { requireNestable } from './nested/check.ts';
import { nestedMigrations } from './nested/migrations.ts';
import { nestedConsumer } from './nested/start.ts';
import { planHandlers } from './plan/handlers.ts';
import { Plans } from './plan/service.ts';
import { recordHandlers } from './record/handlers.ts';
import { recordMigrations } from './record/migrations.ts';
import { Records } from './record/records.ts';
import { scheduleHandlers } from './schedules/handlers.ts';
import { scheduleKinds } from './schedules/kinds.ts';
import { scheduleMigrations } from './schedules/migrations.ts';
import { Schedules } from './schedules/service.ts';
import { RunControl } from './service/control.ts';
import { PipelineService, type PipelinesDeps } from './service/service.ts';
import { type PipelineSpec, type PoolSpec, poolSpec, type QuotaSpec, quotaSpec } from './spec.ts';
import { removePipeline, savePipeline } from './store/runs.ts';
import { triggerHandlers, triggerWebhooks } from './triggers/handlers.ts';
import { triggerKinds } from './triggers/kinds.ts';
import { triggerMigrations } from './triggers/migrations.ts';
import { Triggers } from './triggers/service.ts';
import { knownWaits } from './waits/known.ts';
import { waitMigrations } from './waits/migrations.ts';

export { type CodeBundle, storeBundle } from './code/bundle.ts';
export { type PackedFiles, packFiles } from './code/files.ts';
export { packCode } from './code/pack.ts';
export { unpackCode } from './code/unpack.ts';
export type {
  Artifact,
  AttemptPlace,
  AttemptUsage,
  LeasedAttempt,
  Progress,
  RunDetail,
  RunView,
  StepError,
  StepView,
} from './contract.ts';
export { type DirectoryFile, filesOfDirectory } from './directories/manifest.ts';
export { packDirectory } from './directories/pack.ts';
export { unpackDirectory } from './directories/unpack.ts';
export { pipelineErrors } from './errors.ts';
export {
  pipelineRunFinished,
  pipelineRunLate,
  pipelineRunRecovered,
  pipelineRunStarted,
  pipelineStepFinished,
  pipelineStepWaiting,
} from './events.ts';
export type { RunStatus } from './model.ts';
export { isDirectory, outputName } from './outputs.ts';
export { type RunFacts, runFacts, runGraph } from './record/record.ts';
export { liveAttempts, type StepFacts, stepFacts } from './record/store.ts';
export { type Pin, type Pins, parseReference } from './references.ts';
export { scheduleHeld } from './schedules/events.ts';
export type { StartRun } from './service/start-run.ts';
export { parseSource } from './sources.ts';
export type { PipelineSpec } from './spec.ts';
export { envPart } from './spec.ts';
export type { StepContext, StepFunction } from './step-context.ts';
export type { StepErrorKind } from './step-errors.ts';
export { triggerHeld } from './triggers/events.ts';

export const pipelineMigrations: readonly Migration[] = [
  ...runMigrations,
  ...scheduleMigrations,
  ...backfillMigrations,
  ...triggerMigrations,
  ...unitMigrations,
  ...attemptMigrations,
  ...verificationMigrations,
  ...recordMigrations,
  ...nestedMigrations,
  ...indexMigrations,
  ...waitMigrations,
  ...pauseMigrations,
];

export interface Pipelines
  extends Pick<PipelineService, 'startRun' | 'startRunIn' | 'cancelRun' | 'run' | 'runs' | 'stepLog'> {
  readonly parts: DomainParts;
}

export const pipelineKinds: readonly ResourceKind[] = [
  {
    kind: 'pipeline',
    schema: knownWaits,
    references: ({ steps }) => [
      ...steps.flatMap(({ pool }) => (pool ? [{ kind: 'pool', name: pool.name }] : [])),
      ...steps.flatMap(({ pipeline }) => (pipeline === undefined ? [] : [{ kind: 'pipeline', name: pipeline }])),
    ],
    check: (tx, { name, spec }) => requireNestable(tx, name, spec),
    onApply: (tx, { name, generation, spec }) => savePipeline(tx.db, name, generation, spec),
    onDelete: (tx, name) => removePipeline(tx.db, name),
  } satisfies ResourceKind<PipelineSpec>,
  { kind: 'pool', schema: poolSpec } satisfies ResourceKind<PoolSpec>,
  { kind: 'quota', schema: quotaSpec } satisfies ResourceKind<QuotaSpec>,
  ...scheduleKinds,
  ...triggerKinds,
];

/** Pipelines: declared graphs of steps, run by workers under leases, every finished step committed exactly once. */
export function createPipelines(deps: PipelinesDeps): Pipelines {
  const service = new PipelineService(deps);
  const control = new RunControl(deps);
  const schedules = new Schedules({ ...deps, startRunIn: service.startRunIn.bind(service) });
  const triggers = new Triggers({ ...deps, startRunIn: service.startRunIn.bind(service) });
  const records = new Records(deps);
  const backfills = new Backfills({
    ...deps,
    startRunIn: service.startRunIn.bind(service),
    cancelRun: service.cancelRun.bind(service),
  });
  return {
    startRun: service.startRun.bind(service),
    startRunIn: service.startRunIn.bind(service),
    cancelRun: service.cancelRun.bind(service),
    run: service.run.bind(service),
    runs: service.runs.bind(service),
    stepLog: service.stepLog.bind(service),
    parts: {
      routes: [
        pipelineHandlers(service, control),
        workHandlers(service),
        scheduleHandlers(schedules),
        backfillHandlers(backfills),
        triggerHandlers(triggers),
        recordHandlers(records),
        planHandlers(new Plans(deps)),
      ],
      protocols: [triggerWebhooks(triggers)],
      consumers: [triggers.consumer(), records.consumer(), nestedConsumer(deps)],
      jobs: [
        leaseExpiryJob(service, deps.system.clock),
        tendJob(control),
        schedules.job(),
        backfills.job(),
        triggers.job(),
      ],
    },
  };
}
