import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

const PASSWORD = 'correct horse battery';

describe('signing in to the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let url = '';
  const admin = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test.prepare' };

  before(async () => {
    platform = await servePlatform({ insecureLoopback: false });
    url = platform.url;
    await platform.plane.accounts.users.create(admin, { name: 'ada', roles: ['viewer'], password: PASSWORD });
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  test('a page shows nothing but the way in, then itself, live, until the session ends', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${url}/models`);
    await page.getByLabel('User').fill('ada');
    await page.getByLabel('Password').fill('not this phrase');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('there is no such user with this password').waitFor();
    assert.equal(await page.getByRole('navigation', { name: 'Console' }).count(), 0);

    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: 'Models' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    assert.equal(await page.evaluate('document.cookie'), '', 'the cookie is not for scripts');

    await platform.plane.accounts.users.update(admin, 'ada', { disabled: true });
    await page.getByRole('link', { name: 'Endpoints' }).click();
    await page.getByRole('heading', { name: 'Sign in to Kedge' }).waitFor();
  });

  test('a link lets one in once and is gone from the address', async () => {
    const { token } = await platform.plane.accounts.sessions.link(admin, 'user:admin');
    const first = await (await browser.newContext()).newPage();
    await first.goto(`${url}/sign-in#${token}`);
    await first.getByRole('navigation', { name: 'Console' }).waitFor();
    assert.equal(first.url(), `${url}/`);

    const second = await (await browser.newContext()).newPage();
    await second.goto(`${url}/sign-in#${token}`);
    await second.getByText('this token is not valid, or not any more').waitFor();
  });
});
