import type { Stage, StageStatus } from '#registry/contract';

/** In the order of a version's life. */
export const stages: readonly Stage[] = ['Proposal', 'Development', 'QA', 'PreProduction', 'Production', 'Archived'];
export const stageStatuses: readonly StageStatus[] = [
  'PendingApproval',
  'InProgress',
  'OnHold',
  'Approved',
  'Rejected',
  'Retired',
];

/** `PendingApproval` as people write it: `pending approval`. */
export function wordsOf(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
