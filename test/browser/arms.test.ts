import { after, before, describe, test } from 'node:test';
import { reasonToSkip } from './fixtures/chromium.ts';
import { blockTimes, type Offers, openOffers } from './fixtures/offers.ts';
import { openPage } from './fixtures/open-page.ts';
import { soonEqual } from './fixtures/soon.ts';

const ARMS = { small: 20, wide: 20, deep: 20 };
const ROLLOUT = {
  strategy: 'ab',
  live: {
    metric: { name: 'revenue', margin: 0.01 },
    arms: Object.entries(ARMS).map(([name, share], i) => ({ name, share, version: i + 2 })),
  },
};

/** A rollout of several candidates as people see it: side by side, and one that was taken out. */
describe('several candidates in the console', { skip: reasonToSkip() }, () => {
  let offers: Offers;
  let rollout = '';

  before(async () => {
    offers = await openOffers(ROLLOUT);
    for (const content of ['one', 'two', 'three', 'four']) await offers.register(content);
    await offers.rollOut(1);
    rollout = await offers.rollOut();
  });
  after(() => offers.close());

  const wave = (number: number, by: number): number => Math.sin(1.7 * number + by);

  async function tell(number: number, failures: Partial<Record<keyof typeof ARMS, number>>): Promise<void> {
    const seen = (requests: number, by: number, failed = 0) => ({
      ...{ answered: requests - failed, scored: requests, failures: failed },
      logLatencySum: (requests - failed) * (3 + 0.05 * by + 0.02 * wave(number, by)),
    });
    const names = Object.keys(ARMS) as (keyof typeof ARMS)[];
    const arms = names.map((name, i) => [name, { ...seen(200, i, failures[name]), weight: ARMS[name], assigned: 200 }]);
    await offers.kedge.serving.observeRollout({
      body: {
        ...{ rollout, ...blockTimes(number), weight: 60, current: seen(400, 0), candidate: seen(600, 1), odd: [] },
        ...{
          arms: Object.fromEntries(arms),
          pairs: { count: 0, flips: 0 },
          assigned: { current: 400, candidate: 600 },
        },
      },
    });
    const earned = (requests: number, mean: number, by: number) => ({
      ...{ requests, sum: requests * (mean + 0.02 * wave(number, by)) },
    });
    const means = { small: 0.312, wide: 0.33, deep: 0.306 };
    const sums = names.map((name, i) => [name, earned(200, means[name], i + 1)]);
    const body = { ...blockTimes(number), current: earned(400, 0.3, 0), arms: Object.fromEntries(sums) };
    await offers.kedge.serving.reportOutcomes({ params: { rollout }, body });
  }

  test('it compares the arms, draws their sequences, and says which was taken out and why', async () => {
    for (let number = 0; number < 30; number++) await tell(number, number === 4 ? { deep: 80 } : {});
    const { page, close } = await openPage(offers.browser, offers.url);
    await page.getByRole('figure', { name: 'Metric of each arm against the current revision' }).waitFor();
    await page.getByText('out: worse').waitFor();
    await page
      .getByText(/^Arm 'deep' is taken out: errors rose/)
      .first()
      .waitFor();
    await page.getByText(/small \(offer@2\) answers 25 % · wide \(offer@3\) answers 25 %/).waitFor();
    await page.getByRole('button', { name: 'wide', exact: true }).click();
    await page.getByRole('button', { name: 'metric', exact: true }).click();
    await page.getByRole('figure', { name: /^metric of wide, time/ }).waitFor();
    await soonEqual(() => page.locator('.arm-intervals circle').count(), 2);
    await offers.picture(page, 'arms');
    await page.getByRole('button', { name: 'Take out' }).click();
    await page.getByRole('combobox').selectOption('small');
    await page.getByLabel('Why', { exact: true }).fill('too dear');
    await page.getByRole('button', { name: 'Take it out' }).click();
    await page.getByText('out: by hand').waitFor();
    await close();
  });
});
