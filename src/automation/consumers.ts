import type { Cause } from '#core/cause';
import { durationMs, formatDuration } from '#core/units';
import { datasetQuarantined } from '#datasets';
import { monitoringSignal, watermarkAdvanced } from '#monitoring';
import { pipelineRunFinished, pipelineRunLate, pipelineRunRecovered, scheduleHeld, triggerHeld } from '#pipelines';
import type { Tx } from '#platform/db';
import type { Consumer, PlatformEvent } from '#platform/events';
import { guardrailTripped, rolloutFinished } from '#serving';
import type { Incidents } from './incidents.ts';
import type { RuleDeps, Rules } from './rules.ts';

/** A signal this soon after a promotion is taken as its consequence, so that loops are seen as such. */
const CONSEQUENCE_MS = durationMs('1d');

export function automationConsumers(rules: Rules, incidents: Incidents, deps: RuleDeps): readonly Consumer[] {
  return [
    {
      name: 'automation.rules',
      types: [monitoringSignal.type, watermarkAdvanced.type],
      action: 'rule.decide',
      async handle(tx, event) {
        if (event.type === watermarkAdvanced.type) {
          const { monitor, to } = watermarkAdvanced.read(event);
          return rules.onTime(tx, monitor, to);
        }
        const signal = monitoringSignal.read(event);
        const at = signal.at;
        if (signal.state === 'resolved') return rules.onSignal(tx, signal, { kind: 'resolved', at });
        const cause = await causeOf(tx, deps, signal);
        return rules.onSignal(tx, signal, { kind: 'firing', at, cause });
      },
    },
    {
      name: 'automation.incidents',
      types: [
        ...[datasetQuarantined.type, rolloutFinished.type, guardrailTripped.type, pipelineRunFinished.type],
        ...[scheduleHeld.type, triggerHeld.type, pipelineRunLate.type, pipelineRunRecovered.type],
      ],
      action: 'incident.open',
      handle: (tx, event) => report(incidents, tx, event),
    },
  ];
}

/** A signal soon after an automatic promotion continues the promotion's chain of causes; any other starts a new one. */
async function causeOf(
  tx: Tx,
  deps: RuleDeps,
  signal: { readonly monitor: string; readonly endpoint: string; readonly at: number },
): Promise<Cause> {
  const last = await deps.lastPromotion(tx, signal.endpoint);
  const consequence = last !== undefined && last.at <= signal.at && signal.at - last.at < CONSEQUENCE_MS;
  return { kind: 'event', id: `monitor/${signal.monitor}`, depth: consequence ? last.cause.depth : 0, at: signal.at };
}

async function report(incidents: Incidents, tx: Tx, event: PlatformEvent): Promise<void> {
  if (event.type === datasetQuarantined.type) {
    const { dataset, batch, rows, at, reasons } = datasetQuarantined.read(event);
    return incidents.report(tx, {
      subject: `dataset/${dataset}`,
      title: `Rows of ${dataset} are held back`,
      severity: 'critical',
      at,
      fact: `batch ${batch}: ${rows} rows held; ${reasons.join('; ')}`,
      advice:
        'The data is wrong, not the model, so rolling a model back would not help. Correct the source, or declare a ' +
        'repair on the dataset and release the held batches; features are then computed again from the repaired rows.',
    });
  }
  if (event.type === guardrailTripped.type) {
    const { endpoint, stage, reason, observed, limit, requests } = guardrailTripped.read(event);
    return incidents.report(tx, {
      subject: `endpoint/${endpoint}`,
      title: `A candidate on ${endpoint} broke its guardrail`,
      severity: 'critical',
      at: null,
      fact:
        `${reason} in ${stage}: ${(100 * observed).toFixed(1)} % of ${requests} requests ` +
        (reason === 'latency' ? 'were slower than the endpoint may be' : 'failed') +
        `, limit ${(100 * limit).toFixed(1)} %`,
      advice:
        stage === 'shadow'
          ? 'The candidate was in the shadow and answered nobody; it is refused. Find out what it did before it is ' +
            'rolled out again.'
          : 'Traffic is back on the former revision and the endpoint is locked. ' +
            'Find out what the candidate did, then ' +
            'unlock the endpoint.',
    });
  }
  if (event.type === pipelineRunFinished.type) return reportRun(incidents, tx, event);
  if (event.type === pipelineRunLate.type) return reportLate(incidents, tx, event);
  if (event.type === pipelineRunRecovered.type) return reportRecovery(incidents, tx, event);
  if (event.type === scheduleHeld.type || event.type === triggerHeld.type) return reportStart(incidents, tx, event);
  const { endpoint, outcome, sentence, at } = rolloutFinished.read(event);
  if (outcome !== 'rolled-back') return;
  return incidents.report(tx, {
    subject: `endpoint/${endpoint}`,
    title: `A release on ${endpoint} was taken back`,
    severity: 'critical',
    at,
    fact: sentence,
    advice: 'Traffic is back on the former revision and the endpoint is locked. Unlock it when the cause is known.',
  });
}

/** A schedule or trigger whose run is refused does nothing, and nobody is there to see it. */
async function reportStart(incidents: Incidents, tx: Tx, event: PlatformEvent): Promise<void> {
  const { outcome, reason, at } = event.type === scheduleHeld.type ? scheduleHeld.read(event) : triggerHeld.read(event);
  if (outcome !== 'failed') return;
  return incidents.report(tx, {
    subject: event.subject,
    title: `${event.subject} could not start its pipeline`,
    severity: 'warning',
    at,
    fact: reason,
    advice: 'Correct the parameters that it gives, or the pipeline, and declare it again with kedge apply.',
  });
}

/** A run that a person started fails before their eyes; one that nobody watches becomes an incident. */
async function reportRun(incidents: Incidents, tx: Tx, event: PlatformEvent): Promise<void> {
  const { run, pipeline, status, cause } = pipelineRunFinished.read(event);
  // What a run that is a step of another does is told with that one.
  if (status !== 'failed' || cause.kind === 'user' || cause.within) return;
  return incidents.report(tx, {
    subject: `pipeline/${pipeline}`,
    title: `An automatic run of ${pipeline} failed`,
    severity: 'warning',
    at: cause.at ?? null,
    fact: `run ${run}, started by ${cause.id}`,
    advice: `Read why with: kedge logs ${run}`,
  });
}

async function reportLate(incidents: Incidents, tx: Tx, event: PlatformEvent): Promise<void> {
  const { run, pipeline, status, lateAt } = pipelineRunLate.read(event);
  return incidents.report(tx, {
    subject: event.subject,
    title: `A run of ${pipeline} is late`,
    severity: 'warning',
    at: lateAt,
    fact: `run ${run} is ${status} and should have ended at ${new Date(lateAt).toISOString()}`,
    advice: `See what it waits for with: kedge runs get ${run}`,
  });
}

/** A late run that has ended is not late any more, however it ended: a failure is told by itself. */
async function reportRecovery(incidents: Incidents, tx: Tx, event: PlatformEvent): Promise<void> {
  const { run, status, lateMs } = pipelineRunRecovered.read(event);
  return incidents.recover(tx, event.subject, `run ${run} ${status}, ${formatDuration(lateMs)} after it should have`);
}
