import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Kedge } from '#client';
import { EVIDENCE, linearModel } from '#testing/loop-models';
import { eventually, type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { dayOf, HOUR, Town } from '#testing/town';
import { TownPlayer } from '#testing/town-player';
import { gate, lateness, quality } from './project.ts';

const ENDPOINT = { params: { endpoint: 'lateness' } };

let platform: LoopPlatform;
let kedge: Kedge;
before(async () => {
  // The gateway is killed with what it answered just before, of which nothing may be missing.
  platform = await openLoopPlatform({ settings: { recordDelayMs: 0 } });
  kedge = platform.kedge;
  await kedge.resources.applyResources({ body: { resources: [lateness(null), quality, gate] } });
});
after(() => platform.stop());

test('without its control plane a gateway answers, restarts and records, and everything arrives once', async () => {
  const town = new Town({ seed: 7, ridesPerHour: 60 });
  const player = new TownPlayer({ platform, town, endpoint: 'lateness', startAt: dayOf(1) });
  await platform.register('lateness', linearModel(2.5), EVIDENCE);
  await platform.settle();
  await player.hour();
  const hour = (n: number) => town.rides(player.at + n * HOUR, player.at + (n + 1) * HOUR);
  const total = async () => (await kedge.monitoring.getSummary(ENDPOINT)).predictions.total;
  assert.equal(await total(), 60);

  await platform.controlPlane.kill();
  const answers = [...(await player.ask(hour(0))), ...(await player.ask(hour(1)))];
  await platform.gateway.kill();
  await platform.gateway.start();
  answers.push(...(await player.ask(hour(2))));
  assert.deepEqual([answers.length, player.failures], [180, 0]);
  assert.ok(answers.every(({ revision }) => revision === 'lateness@1'));

  await platform.controlPlane.start();
  await eventually('the control plane answers', () => total().catch(() => undefined));
  await platform.flush();
  assert.equal(await total(), 240);
  assert.equal((await platform.flush()).shipped, 0);

  await player.ask(hour(3));
  const sending = platform.flush();
  await platform.controlPlane.kill();
  await platform.controlPlane.start();
  await eventually('the control plane answers', () => total().catch(() => undefined));
  await sending;
  await platform.flush();
  assert.equal(await total(), 300, 'killed while predictions were on their way, it has them once too');

  const asked = [0, 1, 2, 3].flatMap(hour);
  await player.label(asked);
  await kedge.monitoring.advanceWatermark({ ...ENDPOINT, body: { to: dayOf(1) + 12 * HOUR } });
  const query = { metric: 'log-loss', revision: '*' } as const;
  const { items } = await kedge.monitoring.listFigures({ ...ENDPOINT, query });
  const measured = items.reduce((sum, { requests, labelled }) => [sum[0] + requests, sum[1] + labelled], [0, 0]);
  assert.equal(measured[0], 300);
  assert.ok(measured[1] >= asked.length && measured[1] <= 300);
  assert.equal((await kedge.activity.verifyAudit()).ok, true);
});
