import type { SourceWebhook } from './source.ts';
import { sendJson } from './target.ts';
import type { ImportPlan } from './tracking-import.ts';

const WEBHOOKS = '/api/2.0/mlflow/webhooks';

/**
 * Brings in the webhooks that are not here under their name. Their secrets stay behind, which no server tells: they are
 * disabled until somebody has given them one, so that nothing is sent that its receiver would take for forged.
 */
export async function importWebhooks(plan: ImportPlan): Promise<void> {
  const { source, target, report } = plan;
  const webhooks = source.webhooks();
  if (!webhooks) return;
  const here = await namesHere(plan);
  for await (const webhook of webhooks) {
    report.webhooks.found += 1;
    if (here.has(webhook.name)) continue;
    await report.attempt(`webhook '${webhook.name}'`, async () => {
      if (!plan.dryRun) await sendJson(target, WEBHOOKS, sent(webhook));
      report.webhooks.made += 1;
      report.notes.push(
        `webhook '${webhook.name}' is disabled: its secret stayed behind, so give it one and enable it`,
      );
    });
  }
}

function sent({ name, url, description, events }: SourceWebhook) {
  const told = description ? { description } : {};
  return { name, url, events: events.map(({ entity, action }) => ({ entity, action })), status: 'DISABLED', ...told };
}

async function namesHere({ target }: ImportPlan): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let token = ''; ; ) {
    const path = `${WEBHOOKS}?${new URLSearchParams({ max_results: '1000', ...(token ? { page_token: token } : {}) })}`;
    const page = (await sendJson(target, path, undefined)) as {
      webhooks?: { name: string }[];
      next_page_token?: string;
    };
    for (const { name } of page.webhooks ?? []) names.add(name);
    if (!page.next_page_token) return names;
    token = page.next_page_token;
  }
}
