import type { Database } from '#platform/db';
import { AuditLog } from './audit-log.ts';
import { AuditTree } from './audit-tree.ts';
import { projectsWritten } from './project-log.ts';
import type { NoteSigner } from './tlog/note.ts';

/** The logs of projects, each opened when it is first asked for or has to grow. */
export class ProjectTrees {
  readonly #db: Database;
  readonly #signer: NoteSigner;
  readonly #trees = new Map<string, AuditTree>();
  /** Up to which entry of the installation's log all projects have grown; undefined before the first time. */
  #grownTo: number | undefined;

  constructor(db: Database, signer: NoteSigner) {
    this.#db = db;
    this.#signer = signer;
  }

  of(project: string): AuditTree {
    const known = this.#trees.get(project);
    if (known) return known;
    const tree = new AuditTree(this.#db, this.#signer, project);
    this.#trees.set(project, tree);
    return tree;
  }

  /** Grows the log of each project that has entries which it had not when this was called last. */
  async grow(): Promise<void> {
    const { seq } = await new AuditLog(this.#db.reader).head();
    const after = this.#grownTo;
    if (after === seq) return;
    const fresh = after === undefined ? undefined : { after, upTo: seq };
    for (const project of await projectsWritten(this.#db.reader, fresh)) await this.of(project).grow();
    this.#grownTo = seq;
  }
}
