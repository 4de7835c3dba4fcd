import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { classModel } from '#testing/loop-models';
import { reasonToSkip } from './fixtures/chromium.ts';
import { type Offers, openOffers, START } from './fixtures/offers.ts';
import { openPage } from './fixtures/open-page.ts';
import { soonEqual } from './fixtures/soon.ts';

const DIGEST = `sha256:${'4f'.repeat(32)}` as const;

/** A recorded prediction of a model of tensors as people look at it. */
describe('recorded tensors in the console', { skip: reasonToSkip() }, () => {
  let offers: Offers;

  before(async () => {
    offers = await openOffers({ strategy: 'canary' });
    const { bytes } = classModel([1, -1, 0, 0, 0, 1]);
    await offers.register(new Uint8Array(bytes));
    await offers.rollOut(1);
    const record = {
      ...{ id: 'upload-7', endpoint: 'offers', at: START, receivedAt: START, revision: 'offer@1', arm: 'current' },
      ...{ score: 0.25, propensity: 0.5, numeric: [], categories: [], latencyUs: 1_830 },
      shadow: {
        ...{ revision: 'offer@2', score: 0.27 },
        difference: { maxAbs: 0.02, maxRel: 0.1, flipped: false, unlike: false },
      },
      tensors: {
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [2, 2], data: [2, 0.123456789, -1.5e-7, null] },
          { name: 'words', datatype: 'BYTES', shape: [1, 3], data: ['late', '', 'grün <b>'] },
          { name: 'mask', datatype: 'BOOL', shape: [20], data: Array.from({ length: 20 }, (_, i) => i % 3 === 0) },
          {
            ...{ name: 'pixels', datatype: 'FP32', shape: [1, 3, 224, 224], digest: DIGEST },
            sample: Array.from({ length: 16 }, (_, i) => Math.sin(i)),
          },
        ],
        outputs: [
          { name: 'scores', datatype: 'FP32', shape: [2, 3], data: [2, -2, 0.25, -1, 0.5, 0.75] },
          { name: 'count', datatype: 'INT64', shape: [], data: ['9007199254740993'] },
        ],
      },
    };
    await offers.kedge.monitoring.recordPredictions({ body: { records: [record] } });
  });
  after(() => offers.close());

  test('it shows each tensor with its form and its values, the decision, and of large ones the digest', async () => {
    const { page, close } = await openPage(offers.browser, `${offers.url}?tab=predictions&prediction=upload-7`);
    const inputs = page.getByRole('region', { name: 'Inputs' });
    await inputs.getByText('FP32 [2, 2]').waitFor();
    const x = inputs.getByRole('article', { name: 'x', exact: true });
    await soonEqual(() => x.getByRole('row').allInnerTexts(), ['0\t2\t0.12346', '1\t-1.50e-7\tnull']);
    assert.equal(await x.getByText('0.12346').getAttribute('title'), '0.123456789');
    await inputs.getByText('"grün <b>"').waitFor();
    await soonEqual(() => inputs.getByRole('article', { name: 'mask' }).getByText('true').count(), 7);
    await inputs.getByText('16 of 150,528 values, at equal distances').waitFor();
    await soonEqual(() => inputs.getByRole('button', { name: `Copy ${DIGEST}` }).count(), 1);
    const outputs = page.getByRole('region', { name: 'Outputs' });
    await soonEqual(() => outputs.locator('td[data-decided]').allInnerTexts(), ['2', '0.75']);
    await outputs.getByText('9007199254740993', { exact: true }).waitFor();
    await page.getByText('offer@2, up to 0.02 apart, the same decision').waitFor();
    await page.getByText('curl -d @request.json <gateway>/v2/models/offers/infer').waitFor();
    await offers.picture(page, 'tensors');
    await page.setViewportSize({ width: 900, height: 800 });
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok(wide <= 0, `the page is ${wide} px too wide`);
    await close();
  });
});
