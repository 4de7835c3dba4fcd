import type { z } from 'zod';
import type { ruleSpec } from '#automation/contract';
import type { datasetSpec } from '#datasets/contract';
import type { featureViewSpec } from '#features/contract';
import type { gatePolicySpec } from '#governance/contract';
import type { monitorSpec } from '#monitoring/contract';
import type { poolSpec, quotaSpec } from '#pipelines/contract';
import type { freezeSpec, scheduleSpec } from '#pipelines/schedules/contract';
import type { triggerSpec } from '#pipelines/triggers/contract';
import type { ResourceDraft } from '#platform/resources/contract';
import type { endpointSpec, modelGraphSpec } from '#serving/contract';

/** A declared resource. Builders only give it its type; the control plane validates it when it is applied. */
export type Resource = ResourceDraft;

/**
 * A project as code: everything that `kedge apply` declares, as the default export of a file.
 *
 * ```ts
 * export default project('flights', [
 *   dataset('flights', { eventTime: 'departed', knownTime: 'reported' }),
 * ]);
 * ```
 */
export interface Project {
  readonly project: string;
  readonly resources: readonly Resource[];
}

export function project(name: string, resources: readonly Resource[]): Project {
  return { project: name, resources };
}

type Builder<Schema extends z.ZodType> = (name: string, spec: z.input<Schema>) => Resource;

function builder<Schema extends z.ZodType>(kind: string): Builder<Schema> {
  return (name, spec) => ({ kind, name, spec: spec as Record<string, unknown> });
}

/** A table of events that arrives in batches, with what every row and batch must satisfy. */
export const dataset: Builder<typeof datasetSpec> = builder('dataset');

/** Aggregates over the recent rows of one entity, the same for training and for serving. */
export const featureView: Builder<typeof featureViewSpec> = builder('feature-view');

/** Slots that steps of all pipelines share, such as the connections that a warehouse allows. */
export const pool: Builder<typeof poolSpec> = builder('pool');

/** How many steps of the runs of the project of this name run at a time. */
export const quota: Builder<typeof quotaSpec> = builder('quota');

/** When a pipeline starts by itself: local times of a time zone, and what becomes of those that were missed. */
export const schedule: Builder<typeof scheduleSpec> = builder('schedule');

/** What else starts a pipeline: the end of another, new rows of a dataset, a signed request, any event as it says. */
export const trigger: Builder<typeof triggerSpec> = builder('trigger');

/** A span of time in which no pipeline, or none of those it names, starts by itself. */
export const freeze: Builder<typeof freezeSpec> = builder('freeze');

/** Where a model answers requests, and how a better one takes its place. */
export const endpoint: Builder<typeof endpointSpec> = builder('endpoint');

/** Several registered versions after and beside each other, as a version of a model that endpoints serve. */
export const modelGraph: Builder<typeof modelGraphSpec> = builder('model-graph');

/** What is measured of an endpoint's predictions, and when to raise an alert. */
export const monitor: Builder<typeof monitorSpec> = builder('monitor');

/** What the platform does by itself when an alert fires. */
export const rule: Builder<typeof ruleSpec> = builder('rule');

/** The evidence that a version of a model must bring before it serves anyone. */
export const gatePolicy: Builder<typeof gatePolicySpec> = builder('gate-policy');
