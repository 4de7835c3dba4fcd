export { AuditLog, type AuditQuery } from './audit-log.ts';
export { type Verdict, verifyChain } from './verify.ts';
