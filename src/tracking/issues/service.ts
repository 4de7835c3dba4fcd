import type { Context } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { experimentsShownTo, requireActiveExperiment, requireExperiment } from '../services/require.ts';
import { uuidOf } from '../services/runs.ts';
import type { FoundPage } from '../store/found.ts';
import type { Db } from '../store/tables.ts';
import { type CountedIssue, ISSUES_MAX, type Issue, type IssueChange, type IssueDraft } from './model.ts';
import * as store from './store.ts';

/** Issues: what is wrong with an application, as people or programs found by its traces. Every change is audited. */
export class IssueService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  async create(context: Context, draft: IssueDraft): Promise<Issue> {
    const { db, system } = this.#deps;
    return db.transact(context, async (tx) => {
      await requireActiveExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      if ((await store.countIssues(tx.db, draft.experiment)) >= ISSUES_MAX) {
        throw trackingErrors.limit(`an experiment has at most ${ISSUES_MAX} issues`);
      }
      const id = `iss-${uuidOf(system.ids.next('issue'))}`;
      const issue = { id, ...draft, createdAt: tx.now, updatedAt: tx.now };
      await store.insertIssue(tx.db, issue, context.actor.id);
      tx.audit(subjectOf(issue), { name: issue.name, status: issue.status, severity: issue.severity ?? null });
      return issue;
    });
  }

  async get(context: Context, id: string): Promise<Issue> {
    return this.#require(this.#deps.db.reader, context, { id, level: 'READ' });
  }

  async update(context: Context, id: string, change: IssueChange): Promise<Issue> {
    return this.#deps.db.transact(context, async (tx) => {
      const known = await this.#require(tx.db, context, { id, level: 'EDIT' });
      const issue = { ...known, ...change, updatedAt: tx.now };
      await store.updateIssue(tx.db, issue);
      const { name, status, severity = null } = issue;
      tx.audit(subjectOf(issue), { name, status, severity, changed: Object.keys(change) });
      return issue;
    });
  }

  /** Issues of one experiment, or of all that the asker may see. */
  async search(
    context: Context,
    search: Omit<store.IssueSearch, 'project' | 'experiments'> & { readonly experiment: string | undefined },
  ): Promise<FoundPage<CountedIssue>> {
    const { reader, dialect } = this.#deps.db;
    const experiments = await this.#searched(context, search.experiment);
    if (experiments?.length === 0) return { items: [], next: undefined };
    const page = await store.searchIssues(reader, dialect, { ...search, project: projectOf(context), experiments });
    const issues = await store.issuesOf(reader, page.items);
    const traces = search.byTraces ? await store.tracesShowing(reader, page.items) : undefined;
    return { items: issues.map((issue) => ({ ...issue, traces: traces?.get(issue.id) })), next: page.next };
  }

  async #searched(context: Context, experiment: string | undefined): Promise<readonly string[] | undefined> {
    if (experiment === undefined) return experimentsShownTo(context);
    return [(await requireExperiment(this.#deps.db.reader, context, { id: experiment, level: 'READ' })).id];
  }

  async #require(
    db: Db,
    context: Context,
    { id, level }: { readonly id: string; readonly level: 'READ' | 'EDIT' },
  ): Promise<Issue> {
    const [issue] = await store.issuesOf(db, [id]);
    if (!issue) throw issueNotFound(id);
    await requireExperiment(db, context, { id: issue.experiment, level }).catch((error: { code?: string }) => {
      throw error.code === 'tracking/experiment-not-found' ? issueNotFound(id) : error;
    });
    return issue;
  }
}

function subjectOf({ experiment, id }: Pick<Issue, 'experiment' | 'id'>): string {
  return `issue/${experiment}/${id}`;
}

function issueNotFound(id: string): Error {
  return trackingErrors['issue-not-found'](`Issue with ID '${id}' not found`);
}
