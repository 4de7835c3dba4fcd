import type { Command } from 'commander';
import type { Kedge } from '#client';
import type { HistoryEntry } from '#platform/audit/contract';
import { formatTable } from '../table.ts';
import { connected, printJson, withKedge } from './connected.ts';

const PAGE = 1_000;
const DETAIL_CHARS_MAX = 100;

/** Who did what to something, when, and with which evidence, from its first entry in the audit log on. */
export function historyCommand(program: Command): void {
  connected(
    program
      .command('history <subject>')
      .description(
        'who did what when, and with which evidence: model/churn, model/churn@3, endpoint/churn, experiment/1',
      ),
  ).action(
    withKedge(async (kedge, [subject = ''], options) => {
      const entries = await historyOf(kedge, subjectNamed(subject));
      if (options.json) return printJson(entries);
      if (entries.length === 0) return void process.stdout.write(`the audit log has nothing about ${subject}\n`);
      const rows = entries.map((entry) => [
        entry.seq,
        new Date(entry.time).toISOString(),
        printable(entry.actor),
        entry.action,
        printable(entry.subject),
        printable(summaryOf(entry.detail)),
      ]);
      const table = formatTable(['entry', 'when', 'who', 'what', 'subject', 'detail'], rows);
      process.stdout.write(`${table}\n`);
    }),
  );
}

/** `churn@3` and `model/churn@3` are short for `model-version/churn@3`. */
export function subjectNamed(text: string): string {
  const [, version] = /^(?:model\/)?([^/]+@[^@/]+)$/.exec(text) ?? [];
  return version === undefined ? text : `model-version/${version}`;
}

/** Oldest first. What was done to a model under a former name comes before its rename. */
async function historyOf(kedge: Kedge, subject: string, before = Number.MAX_SAFE_INTEGER): Promise<HistoryEntry[]> {
  const entries = (await entriesAbout(kedge, subject)).filter(({ seq }) => seq < before);
  const [, kind = '', name = '', version = ''] = /^(model|model-version)\/(.+?)(@\d+)?$/.exec(subject) ?? [];
  if (kind === '') return entries;
  const ofModel = kind === 'model' ? entries : await entriesAbout(kedge, `model/${name}`);
  for (const { action, detail, seq } of ofModel) {
    const former = (detail as { readonly renamedFrom?: unknown } | null)?.renamedFrom;
    if (action !== 'model.rename' || typeof former !== 'string' || seq >= before) continue;
    entries.push(...(await historyOf(kedge, `${kind}/${former}${version}`, seq)));
  }
  return entries.sort((a, b) => a.seq - b.seq);
}

async function entriesAbout(kedge: Kedge, subject: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: { items: HistoryEntry[]; next?: number | undefined } = await kedge.audit.getHistory({
      query: { subject, after, limit: PAGE },
    });
    entries.push(...page.items);
    after = page.next;
  }
  return entries;
}

/** What others wrote must not steer the terminal of who reads it. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '·');
}

/** The fields of a detail, those that say nothing left out, and digests as long as it takes to tell them apart. */
function summaryOf(detail: unknown): string {
  if (detail === null || typeof detail !== 'object') return detail === null ? '' : String(detail);
  const text = Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '' && JSON.stringify(value) !== '{}')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
    .replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…');
  return text.length <= DETAIL_CHARS_MAX ? text : `${text.slice(0, DETAIL_CHARS_MAX - 1)}…`;
}
