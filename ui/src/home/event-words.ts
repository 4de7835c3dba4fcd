import type { EventView } from '#platform/activity/contract';
import { formatCount, formatDay, formatNumber, formatPercent } from '../data/format.ts';
import { askedFor } from '../governance/asked.ts';
import { wordsOf } from '../models/stages.ts';

/** The data of an event as its readers need it: what is absent or of another type reads as empty, never as an error. */
export class EventData {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(data: unknown) {
    this.#fields = data !== null && typeof data === 'object' ? (data as Record<string, unknown>) : {};
  }

  text(name: string): string {
    const value = this.#fields[name];
    return value === null || value === undefined ? '' : String(value);
  }

  number(name: string): number {
    const value = this.#fields[name];
    return typeof value === 'number' ? value : 0;
  }

  list(name: string): readonly string[] {
    const value = this.#fields[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  part(name: string): EventData {
    return new EventData(this.#fields[name]);
  }
}

interface Told {
  /** A state that the status chip knows. */
  readonly status: string;
  readonly text: string;
}

type Teller = (data: EventData) => Told;

const tellers: Readonly<Record<string, Teller>> = {
  'dataset.quarantined': (data) => ({
    status: 'held',
    text:
      `held ${formatCount(data.number('rows'))} rows of batch ${data.text('batch')}: ` +
      data.list('reasons').join('; '),
  }),
  'pipeline.run-started': (data) => ({
    status: 'running',
    text: `run started by ${data.part('cause').text('id')}`,
  }),
  'pipeline.run-finished': (data) => ({
    status: data.text('status'),
    text: `run ${data.text('status')}${data.text('reason') ? `: ${data.text('reason')}` : ''}`,
  }),
  'registry.version-registered': (data) => ({
    status: 'ok',
    text: `version ${data.text('version')} registered`,
  }),
  'registry.alias-moved': (data) => ({ status: 'ok', text: aliasText(data) }),
  'registry.stage-moved': (data) => ({ status: 'ok', text: stageText(data) }),
  'registry.model-changed': (data) => ({
    status: 'idle',
    text: data.text('to') ? `renamed to ${data.text('to')}` : data.text('change'),
  }),
  'registry.version-changed': (data) => ({ status: 'idle', text: data.text('change') }),
  'serving.rollout-started': (data) => ({
    status: data.text('stage'),
    text: `rollout of version ${data.text('candidate')} begins in ${data.text('stage')}${against(data)}`,
  }),
  'serving.rollout-advanced': (data) => ({ status: data.text('to'), text: data.text('sentence') }),
  'serving.rollout-finished': (data) => ({ status: data.text('outcome'), text: data.text('sentence') }),
  'serving.current-changed': (data) => ({
    status: 'serving',
    text: `${data.text('model')}@${data.text('version')} is the current revision`,
  }),
  'serving.guardrail-tripped': (data) => ({
    status: 'refused',
    text:
      `guardrail on ${data.text('reason').replace('-', ' ')}${stageOf(data)}: ` +
      `${formatPercent(data.number('observed'))} of ` +
      `${formatCount(data.number('requests'))} requests, the limit is ${formatPercent(data.number('limit'))}`,
  }),
  'monitoring.signal': (data) => ({ status: data.text('state'), text: data.text('sentence') }),
  'automation.fired': (data) => ({ status: 'fired', text: `fired: ${data.text('reason')}` }),
  'automation.held': (data) => ({ status: data.text('outcome'), text: `did not act: ${data.text('reason')}` }),
  'incident.opened': (data) => ({
    status: data.text('severity') || 'open',
    text: `incident opened: ${data.text('title')}`,
  }),
  'incident.resolved': (data) => ({ status: 'resolved', text: `incident resolved: ${data.text('note')}` }),
  'governance.decided': (data) => ({
    status: data.text('allow') === 'true' ? 'allowed' : 'refused',
    text: gateText(data),
  }),
  'resource.applied': (data) => ({
    status: 'ok',
    text: `declared (${data.text('change')}), generation ${data.text('generation')}`,
  }),
  'resource.deleted': () => ({ status: 'idle', text: 'deleted' }),
};

function stageOf(data: EventData): string {
  return data.text('stage') ? ` in ${data.text('stage')}` : '';
}

function against(data: EventData): string {
  return data.text('current') ? ` against version ${data.text('current')}` : '';
}

function stageText(data: EventData): string {
  const { from, to } = { from: data.part('from'), to: data.part('to') };
  const reason = data.text('reason') ? `: ${data.text('reason')}` : '';
  if (from.text('stage') === to.text('stage')) return `${wordsOf(to.text('status'))} in ${to.text('stage')}${reason}`;
  return `moved from ${from.text('stage')} to ${to.text('stage')}${reason}`;
}

function aliasText(data: EventData): string {
  const alias = `alias ${data.text('alias')}`;
  if (!data.text('to')) return `${alias} removed from version ${data.text('from')}`;
  const from = data.text('from') ? ` from version ${data.text('from')}` : '';
  return `${alias} moved${from} to version ${data.text('to')}`;
}

function gateText(data: EventData): string {
  const what = askedFor(data.text('transition'), data.text('target'));
  if (data.text('allow') === 'true') return `the gate lets it ${what}`;
  return `the gate does not let it ${what}; missing: ${data.list('missing').join(', ')}`;
}

/** One event in words; types without words of their own are told by their name. */
export function tell(event: EventView): Told {
  return tellers[event.type]?.(new EventData(event.data)) ?? { status: 'idle', text: event.type };
}

type Summarizer = (events: readonly EventData[]) => Told | undefined;

/** Many events of a kind in one sentence, for kinds of which there are too many to be read one by one. */
export const summarizers: Readonly<Record<string, Summarizer | undefined>> = {
  'dataset.committed': (events) => ({ status: 'committed', text: committedText(events) }),
  'monitoring.comparison-block': (events) => {
    const requests = sum(events.map((event) => event.part('block').number('requests')));
    const hours = `${events.length} ${events.length === 1 ? 'hour' : 'hours'}`;
    return { status: 'ok', text: `${hours} compared, ${formatCount(requests)} paired requests` };
  },
  'pipeline.step-finished': (events) => {
    const failed = events.find((event) => event.text('status') === 'failed');
    if (failed) return { status: 'failed', text: `step ${failed.text('step')} failed: ${failed.text('reason')}` };
    return {
      status: 'ok',
      text: `done: ${events
        .map((event) => event.text('step'))
        .reverse()
        .join(', ')}`,
    };
  },
  'registry.evidence-added': (events) => {
    const isFailed = events.some((event) => event.text('passed') === 'false');
    const kinds = [...new Set(events.map((event) => event.text('kind')))].join(', ');
    return { status: isFailed ? 'not-passed' : 'ok', text: `evidence added: ${kinds}` };
  },
  'serving.routing-changed': () => undefined,
  'monitoring.watermark-advanced': () => undefined,
};

function committedText(events: readonly EventData[]): string {
  const segments = events.map((event) => event.part('segment'));
  const rows = sum(segments.map((segment) => segment.number('rows')));
  const until = Math.max(...segments.map((segment) => segment.number('maxAt')));
  const batches = events.length === 1 ? `batch ${events[0]?.text('batch')}` : `${formatNumber(events.length)} batches`;
  return `${batches} committed, ${formatCount(rows)} rows up to ${formatDay(until)} (event time)`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
