import { after, before, describe, test } from 'node:test';
import { reasonToSkip } from './fixtures/chromium.ts';
import { blockTimes, type Offers, openOffers, START } from './fixtures/offers.ts';
import { openPage } from './fixtures/open-page.ts';
import { soonEqual } from './fixtures/soon.ts';

const ROLLOUT = {
  strategy: 'canary',
  live: { bake: '1m', requestsMin: 100 },
  checks: { golden: { tolerance: 0.05 }, load: { rate: 50 } },
};

/** A journey through a live rollout: what it is decided by, its checks, and the bundle of one that was taken back. */
describe('live rollouts in the console', { skip: reasonToSkip() }, () => {
  let offers: Offers;
  let rollout = '';

  before(async () => {
    offers = await openOffers(ROLLOUT);
    await offers.rollOut(await offers.register('one'));
    const requests = [{ name: 'vip', inputs: { amount: 10, plan: 'gold' }, expected: 0.8 }];
    await offers.kedge.serving.addGolden({ params: { endpoint: 'offers' }, body: { requests } });
    rollout = await offers.rollOut(await offers.register('two'));
  });
  after(() => offers.close());

  const block = (number: number, failures: number) => {
    const slow = 0.2 * Math.sin(number / 4);
    return {
      ...{ rollout, ...blockTimes(number) },
      weight: 5,
      current: { answered: 190, logLatencySum: 190 * (3 + slow), scored: 200, failures: 0 },
      candidate: { answered: 10, logLatencySum: 10 * (3.1 + slow), scored: 200, failures },
      pairs: { count: 200, flips: 12 },
      assigned: { current: 190, candidate: 10 },
      odd: [...Array(Math.min(failures, 3)).keys()].map((i) => ({
        ...{ id: `p${number}-${i}`, at: START, kind: 'failed' as const, text: 'the model answered NaN' },
        ...{ currentScore: 0.31, candidateScore: null, latencyMs: 4 },
      })),
      logs: failures > 0 ? [{ at: START, level: 'warn' as const, text: 'offer@2 answered NaN endpoint=offers' }] : [],
    };
  };

  test('it shows the checks, then each measure against its limit, and the bundle once it was taken back', async () => {
    const { page, close } = await openPage(offers.browser, offers.url);
    await page.getByText('It waits for a gateway to run the checks before traffic.').waitFor();
    const figures = { requests: 1 };
    const results = [
      {
        check: 'golden' as const,
        passed: true,
        sentence: 'offer@2 answered 1 of 1 golden requests',
        figures,
        details: [],
      },
      {
        check: 'load' as const,
        passed: true,
        sentence: 'At 50 requests a second 99 % took 3 ms',
        figures,
        details: [],
      },
    ];
    await offers.kedge.serving.reportChecks({ body: { rollout, source: 'gw_1', results } });
    for (let number = 0; number < 60; number++) await offers.kedge.serving.observeRollout({ body: block(number, 0) });
    await page.goto(offers.url);
    await page.getByText('offer@2 answered 1 of 1 golden requests', { exact: true }).waitFor();
    await page.getByRole('figure', { name: /^errors/ }).waitFor();
    await page.getByRole('figure', { name: /^Latency by block/ }).waitFor();
    await page.getByRole('button', { name: 'latency', exact: true }).click();
    await page.getByRole('figure', { name: /^latency, time/ }).waitFor();
    await offers.picture(page, 'rollout-live');

    await offers.kedge.serving.observeRollout({ body: block(60, 60) });
    await page.goto(offers.url);
    await page.getByText('Find the cause, then unlock the endpoint.').waitFor();
    await page.getByText(/offer@2 answered NaN endpoint=offers/).waitFor();
    const bad = page.getByRole('region', { name: 'Requests' }).getByText('the model answered NaN');
    await soonEqual(() => bad.count(), 3);
    await offers.picture(page, 'rollout-bundle');

    await page.goto(`${offers.url}?tab=predictions`);
    await page.getByLabel('amount').fill('12.5');
    await page.getByLabel('plan').fill('gold');
    await page.getByText('"amount": 12.5').waitFor();
    await offers.picture(page, 'endpoint-try');
    await close();
  });
});
