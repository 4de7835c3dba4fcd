import { unreachable } from '#core/assert';
import type { Digest } from '#core/hash';
import type { BatchView, CheckResult, Expectation } from './contract.ts';

export type BatchStatus = BatchView['status'];

/** One immutable Parquet file of accepted rows. Times in epoch milliseconds. */
export interface Segment {
  readonly digest: Digest;
  readonly rows: number;
  readonly minAt: number;
  readonly maxAt: number;
  readonly minKnownAt: number;
  readonly maxKnownAt: number;
}

/** What a batch becomes, from how many of its rows passed and how many are kept apart. */
export function statusOf(accepted: number, held: number): BatchStatus {
  if (held === 0) return 'committed';
  return accepted === 0 ? 'held' : 'partly-held';
}

/** What was measured for one expectation over one batch. */
export interface Measured {
  readonly failedRows: number;
  readonly share: number | null;
  readonly groups: readonly { readonly group: string; readonly rows: number; readonly share: number }[];
}

/** Judges one expectation from its measurements. */
export function judge(expectation: Expectation, measured: Measured): CheckResult {
  const failed = measured.failedRows > 0;
  return {
    name: expectation.name,
    outcome: failed ? outcomeOf(expectation.otherwise) : 'passed',
    failedRows: measured.failedRows,
    share: measured.share,
    limit: 'share' in expectation ? expectation.max : null,
    groups: [...measured.groups],
  };
}

function outcomeOf(otherwise: Expectation['otherwise']): CheckResult['outcome'] {
  switch (otherwise) {
    case 'warn':
      return 'warned';
    case 'reject':
      return 'rejected-rows';
    case 'quarantine-group':
      return 'quarantined-groups';
    case 'quarantine-batch':
      return 'quarantined-batch';
    default:
      return unreachable(otherwise);
  }
}

/** One sentence a failed check, for events, incidents and people. */
export function reasonsOf(checks: readonly CheckResult[]): string[] {
  return checks.filter((check) => check.outcome !== 'passed' && check.outcome !== 'warned').map(reasonOf);
}

function reasonOf(check: CheckResult): string {
  const worst = check.groups[0];
  if (worst && check.limit !== null) {
    const names = check.groups.map((group) => group.group).join(', ');
    return `${check.name}: share ${worst.share.toFixed(3)} in ${worst.group}, limit ${check.limit} (groups: ${names})`;
  }
  if (check.share !== null && check.limit !== null) {
    return `${check.name}: share ${check.share.toFixed(3)}, limit ${check.limit}`;
  }
  return `${check.name}: ${check.failedRows} rows`;
}
