import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { connect, type Kedge } from '#client';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

const admin = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test.prepare' };
const POLICY = {
  kind: 'gate-policy',
  name: 'credit-production',
  spec: {
    model: 'credit',
    transitions: ['stage', 'alias'],
    require: [
      { evidence: 'validation', passed: true },
      { approvals: 1, independent: true, signed: true },
    ],
  },
};

describe('approving a version in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let ada: Kedge;
  let run = '';

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    const { url, plane } = platform;
    await plane.accounts.users.create(admin, { name: 'ada', roles: ['editor'] });
    const { key: token } = await plane.accounts.users.createKey(admin, 'ada', { label: 'test' });
    ada = connect({ url, token });
    await connect({ url }).resources.applyResources({ body: { resources: [POLICY] } });
    run = await register(ada);
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  test('a second person signs with a key from a file, and once evidence arrives the gate lets go', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.postData() ?? ''));
    await page.goto(`${platform.url}/models/credit/versions/1?tab=gate`);
    await page.getByText('2 of 2 are missing for Production.').waitFor();
    await page.getByText('there is no evidence of this kind').waitFor();

    await page.getByRole('button', { name: 'Move to a stage' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'Stage', exact: true }).selectOption('Production');
    await dialog.getByLabel('Why').fill('it is time');
    await dialog.getByRole('button', { name: 'Move to Production' }).click();
    await dialog.getByText(/misses validation: there is no evidence of this kind/).waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();

    const version = { model: 'credit', version: 1 };
    await ada.governance.requestApproval({ body: { ...version, transition: 'stage', target: 'Production' } });
    await page.reload();
    await page.getByText('0 of 1 approval').waitFor();

    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    const file = { name: 'approver.pem', mimeType: 'application/x-pem-file', buffer: Buffer.from(pem) };
    await dialog.locator('input[type=file]').setInputFiles(file);
    await dialog.getByRole('checkbox', { name: 'Enrol this key as mine first' }).check();
    await dialog.getByLabel('What you looked at').fill('the report of the validation');
    await dialog.getByRole('button', { name: 'Sign and approve' }).click();
    await page.getByText('1 of 1 approval').waitFor();
    await page.getByText('1 of 2 are missing for Production.').waitFor();
    assert.ok(!sent.some((body) => /PRIVATE/.test(body) || body.includes(pem.split('\n')[1] ?? pem)), 'the key stays');

    await ada.registry.addEvidence({
      params: version,
      body: { kind: 'validation', passed: true, data: { summary: 'June' } },
    });
    await page.getByText('Version 1 may go to Production.').waitFor();
    await page.getByRole('button', { name: 'Move to a stage' }).click();
    await dialog.getByRole('combobox', { name: 'Stage', exact: true }).selectOption('Production');
    await dialog.getByLabel('Why').fill('it is time');
    await dialog.getByRole('button', { name: 'Move to Production' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.goto(`${platform.url}/models/credit?tab=board`);
    await page
      .getByRole('region', { name: 'Production' })
      .getByRole('link', { name: /version 1/ })
      .waitFor();
    await page.goto(`${platform.url}/models/credit`);
    await page.getByRole('link', { name: run.slice(0, 13) }).click();
    await page.waitForURL(`**/runs/${run}*`);
    await context.close();
  });

  test('an approval is asked for, and a file that is no Ed25519 key is refused in words', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${platform.url}/models/credit/versions/1?tab=gate&gate=@champion`);
    await page.getByRole('button', { name: 'Ask for approval' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('beats the champion');
    await dialog.getByRole('button', { name: 'Ask', exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    const asked = { model: 'credit', version: 1, transition: 'alias', target: 'production' } as const;
    await ada.governance.requestApproval({ body: asked });
    await page.goto(`${platform.url}/governance?tab=approvals`);
    const request = (target: string) => page.getByRole('listitem').filter({ hasText: target });
    await request('@champion').getByRole('button', { name: 'Withdraw' }).waitFor();
    assert.equal(await request('@champion').getByRole('button', { name: 'Reject' }).count(), 0, 'it is their own');
    await request('@production').getByRole('button', { name: 'Reject' }).click();
    const file = { name: 'notes.pem', mimeType: 'text/plain', buffer: Buffer.from('no key') };
    await dialog.locator('input[type=file]').setInputFiles(file);
    await page.getByRole('alert').getByText('expected a private key as PEM without a password').waitFor();
    await context.close();
  });
});

/** Registers a version, and returns its run. */
async function register(kedge: Kedge): Promise<string> {
  const { id: run } = await kedge.tracking.createTrackingRun({ body: { experiment: 'credit' } });
  const files = { 'model/MLmodel': 'flavors: {}\n', 'model/weights.bin': 'weights' };
  for (const [path, text] of Object.entries(files)) {
    const upload = { contentType: 'application/octet-stream', bytes: new TextEncoder().encode(text) };
    await kedge.tracking.putArtifact({ params: { run }, query: { path }, upload });
  }
  await kedge.registry.createModel({ body: { name: 'credit' } });
  const body = { source: `runs:/${run}/model`, run };
  await kedge.registry.registerFromSource({ params: { model: 'credit' }, body });
  return run;
}
