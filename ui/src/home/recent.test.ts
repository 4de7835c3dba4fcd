import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventView } from '#platform/activity/contract';
import { recentItems } from './recent.ts';

const MINUTE_MS = 60_000;
const START = Date.UTC(2001, 1, 5);

/** Events as the API lists them, newest first; each a minute older than the one before. */
const events = (...drafts: readonly Pick<EventView, 'type' | 'subject' | 'data'>[]): EventView[] =>
  drafts.map((draft, i) => ({ ...draft, seq: 100 - i, time: START - i * MINUTE_MS }));

const advanced = (monitor: string) => ({
  type: 'monitoring.watermark-advanced',
  subject: `monitor/${monitor}`,
  data: { monitor, endpoint: 'delays', to: START },
});
const routing = { type: 'serving.routing-changed', subject: 'routing', data: { version: 4 } };
const signal = {
  type: 'monitoring.signal',
  subject: 'monitor/quality',
  data: { monitor: 'quality', endpoint: 'delays', state: 'firing', sentence: 'the calibration fails' },
};
const step = (name: string) => ({
  type: 'pipeline.step-finished',
  subject: 'pipeline-run/prun_1',
  data: { run: 'prun_1', pipeline: 'retrain', step: name, status: 'succeeded', reason: null },
});
const trip = (data: object) => ({
  type: 'serving.guardrail-tripped',
  subject: 'endpoint/delays',
  data: { reason: 'error-rate', observed: 0.4, limit: 0.02, requests: 60, ...data },
});

test('what only moves the platform on is no activity, however often it happens', () => {
  const items = recentItems(
    events(advanced('quality'), advanced('drift'), signal, routing, advanced('quality'), routing),
  );

  assert.deepEqual(
    items.map(({ subject, text }) => [subject, text]),
    [['quality', 'the calibration fails']],
  );
});

test('what comes by the hundred is summed up to one line, with what came between left in its place', () => {
  const items = recentItems(events(step('train'), signal, step('tune'), step('features')));

  assert.deepEqual(
    items.map(({ text }) => text),
    ['done: features, tune, train', 'the calibration fails'],
  );
});

test('a guardrail names the stage in which it tripped', () => {
  const [item] = recentItems(events(trip({ stage: 'shadow' })));

  assert.match(String(item?.text), /^guardrail on error rate in shadow: 40.*60 requests/);
});

test('a move to another stage is told with its reason, and the gate names the place that it was asked about', () => {
  const subject = 'model-version/delay@3';
  const place = (stage: string, status: string) => ({ stage, status });
  const moved = (from: object, to: object, reason: string) => ({
    type: 'registry.stage-moved',
    subject,
    data: { model: 'delay', version: 3, from, to, reason },
  });
  const refused = {
    type: 'governance.decided',
    subject,
    data: {
      model: 'delay',
      version: 3,
      transition: 'stage',
      target: 'Production',
      allow: false,
      missing: ['approvals'],
    },
  };
  const items = recentItems(
    events(
      moved(place('QA', 'InProgress'), place('Production', 'Approved'), 'it is time'),
      moved(place('QA', 'InProgress'), place('QA', 'OnHold'), ''),
      refused,
    ),
  );

  assert.deepEqual(
    items.map(({ text }) => text),
    [
      'moved from QA to Production: it is time',
      'on hold in QA',
      'the gate does not let it reach the stage Production; missing: approvals',
    ],
  );
});
