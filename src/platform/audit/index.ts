export { AuditLog, type AuditQuery } from './audit-log.ts';
export { type Verdict, verifyChain, verifyLog } from './verify.ts';
