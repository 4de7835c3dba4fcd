export { type AuditEntry, chainHash, GENESIS_HASH } from './audit-chain.ts';
export { columnsOf } from './columns.ts';
export { type Actor, type Context, Database, type EventDraft, type PublishedEvent, type Tx } from './database.ts';
export { GroupCommit } from './group-commit.ts';
export { applyMigrations, type Migration } from './migrations.ts';
export { platformMigrations } from './platform-migrations.ts';
export { statement } from './statement.ts';
export { together } from './together.ts';
