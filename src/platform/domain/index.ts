export type { DomainDeps, DomainParts } from './domain.ts';
export { type Job, startJobs } from './jobs.ts';
export { Leader } from './leader.ts';
