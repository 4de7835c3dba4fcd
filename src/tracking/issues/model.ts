import { closedEntity, type Vocabulary } from '../search/index.ts';

export const ISSUE_STATUSES = ['pending', 'rejected', 'resolved'] as const;
export type IssueStatus = (typeof ISSUE_STATUSES)[number];

/** From the least to the most severe. */
export const ISSUE_SEVERITIES = ['not_an_issue', 'low', 'medium', 'high'] as const;
export type IssueSeverity = (typeof ISSUE_SEVERITIES)[number];

/** Something that is wrong with an application, which traces of its experiment show. */
export interface Issue {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly description: string;
  readonly status: IssueStatus;
  readonly severity: IssueSeverity | undefined;
  readonly rootCauses: readonly string[];
  readonly categories: readonly string[];
  /** The run that found it, as its client says. */
  readonly sourceRun: string | undefined;
  /** Who found it, as its client says. */
  readonly namedBy: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface CountedIssue extends Issue {
  /** How many traces show it; undefined unless asked for. */
  readonly traces: number | undefined;
}

export type IssueDraft = Omit<Issue, 'id' | 'createdAt' | 'updatedAt'>;
export type IssueChange = Partial<Pick<Issue, 'name' | 'description' | 'status' | 'severity'>>;

/** Of an experiment. */
export const ISSUES_MAX = 100_000;

const attributes = closedEntity('attributes', { status: 'text', source_run_id: 'text' }, { orders: [] });

/** What issues are searched by. */
export const ISSUE_VOCABULARY: Vocabulary = {
  bare: 'attributes',
  entities: { attribute: attributes, attributes, attr: attributes },
};
