import type { ForeignRoute } from '#platform/http';
import {
  type CountedIssue,
  ISSUE_SEVERITIES,
  ISSUE_STATUSES,
  ISSUE_VOCABULARY,
  type Issue,
} from '../../issues/model.ts';
import type { IssueService } from '../../issues/service.ts';
import { parseFilter } from '../../search/index.ts';
import { experimentId, filter, maxResults, optionalText, pageTokenField } from './fields.ts';
import { mlflowRoute } from './route.ts';
import { wire } from './wire.ts';

const NAME_LENGTH_MAX = 250;
const DESCRIPTION_LENGTH_MAX = 65_535;
const texts = () => wire.list(wire.string(DESCRIPTION_LENGTH_MAX), 100).default([]);
const severity = () => wire.oneOf(ISSUE_SEVERITIES).optional();

/** Issues, as MLflow's clients since 3.10 keep them. */
export function issueRoutes(service: IssueService): ForeignRoute[] {
  return [...changing(service), ...reading(service)];
}

function changing(service: IssueService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'issues.create',
      major: 3,
      method: 'POST',
      path: 'issues',
      permission: 'tracking:write',
      audit: 'issue.create',
      input: {
        experiment_id: experimentId(),
        name: wire.required(NAME_LENGTH_MAX),
        description: wire.required(DESCRIPTION_LENGTH_MAX),
        status: wire.oneOf(ISSUE_STATUSES).default('pending'),
        severity: severity(),
        root_causes: texts(),
        categories: texts(),
        source_run_id: optionalText(256),
        created_by: optionalText(255),
      },
      async handler(input, ctx) {
        const { name, description, status } = input;
        const issue = await service.create(ctx, {
          ...{ name, description, status, severity: input.severity, categories: input.categories },
          experiment: input.experiment_id,
          rootCauses: input.root_causes,
          sourceRun: input.source_run_id,
          namedBy: input.created_by,
        });
        return { issue: sentIssue(issue) };
      },
    }),
    mlflowRoute({
      name: 'issues.update',
      major: 3,
      method: 'PATCH',
      path: 'issues/:issue_id',
      permission: 'tracking:write',
      audit: 'issue.update',
      input: {
        issue_id: wire.required(256),
        name: optionalText(NAME_LENGTH_MAX),
        description: optionalText(DESCRIPTION_LENGTH_MAX),
        status: wire.oneOf(ISSUE_STATUSES).optional(),
        severity: severity(),
      },
      async handler({ issue_id: id, name, description, status, severity: rank }, ctx) {
        const change = {
          ...(name === undefined ? {} : { name }),
          ...(description === undefined ? {} : { description }),
          ...(status === undefined ? {} : { status }),
          ...(rank === undefined ? {} : { severity: rank }),
        };
        return { issue: sentIssue(await service.update(ctx, id, change)) };
      },
    }),
  ];
}

function reading(service: IssueService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'issues.get',
      major: 3,
      method: 'GET',
      path: 'issues/:issue_id',
      permission: 'tracking:read',
      reads: true,
      input: { issue_id: wire.required(256) },
      handler: async ({ issue_id: id }, ctx) => ({ issue: sentIssue(await service.get(ctx, id)) }),
    }),
    mlflowRoute({
      name: 'issues.search',
      major: 3,
      method: 'POST',
      path: 'issues/search',
      permission: 'tracking:read',
      reads: true,
      input: {
        experiment_id: optionalText(64),
        filter_string: filter(),
        max_results: maxResults(100, 50_000),
        page_token: pageTokenField(),
        include_trace_count: wire.boolean().default(false),
      },
      async handler(input, ctx) {
        const page = await service.search(ctx, {
          experiment: input.experiment_id,
          filter: parseFilter(input.filter_string, ISSUE_VOCABULARY),
          byTraces: input.include_trace_count,
          limit: input.max_results,
          token: input.page_token || undefined,
        });
        return { issues: page.items.map(sentIssue), next_page_token: page.next };
      },
    }),
  ];
}

function sentIssue(issue: Issue & Partial<Pick<CountedIssue, 'traces'>>): object {
  return {
    issue_id: issue.id,
    experiment_id: issue.experiment,
    name: issue.name,
    description: issue.description,
    status: issue.status,
    severity: issue.severity,
    root_causes: issue.rootCauses,
    categories: issue.categories,
    source_run_id: issue.sourceRun,
    created_by: issue.namedBy,
    created_timestamp: issue.createdAt,
    last_updated_timestamp: issue.updatedAt,
    trace_count: issue.traces,
  };
}
