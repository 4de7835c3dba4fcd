import { messageOf } from '#core/errors';
import type { Database } from '#platform/db';
import type { DomainParts, Job } from '#platform/domain';
import { routeGroup } from '#platform/http';
import { AuditTree } from './audit-tree.ts';
import { auditContract } from './contract.ts';
import { historyOf } from './history.ts';
import { logProtocol, projectLogProtocol } from './log-protocol.ts';
import { ProjectTrees } from './project-trees.ts';
import type { NoteSigner } from './tlog/note.ts';

const GROW_EVERY_MS = 1_000;

export interface AuditDeps {
  readonly db: Database;
  readonly signer: NoteSigner;
}

/** What the audit log contributes to the control plane: the Merkle logs with their routes and growth, and histories. */
export function createAudit({ db, signer }: AuditDeps): { readonly parts: DomainParts } {
  const tree = new AuditTree(db, signer);
  const projects = new ProjectTrees(db, signer);
  const history = routeGroup(auditContract, {
    async getHistory({ query }) {
      // A log that cannot grow says so through its job; what was done can still be told.
      await tree.grow().catch(() => {});
      const { items, next } = await historyOf(db, query);
      return { items: [...items], next };
    },
  });
  let failure = '';
  const growing: Job = {
    name: 'audit-log',
    everyMs: GROW_EVERY_MS,
    async run() {
      try {
        await tree.grow();
        await projects.grow();
        failure = '';
      } catch (error) {
        // A broken chain stays broken: it is reported once, not every second.
        if (messageOf(error) === failure) return;
        failure = messageOf(error);
        throw error;
      }
    },
  };
  return {
    parts: {
      routes: [history],
      protocols: [logProtocol(tree), projectLogProtocol((project) => projects.of(project))],
      consumers: [],
      jobs: [growing],
    },
  };
}
