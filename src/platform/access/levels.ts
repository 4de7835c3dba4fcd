/** What somebody may do with an object, each level including those before it. */
export const LEVELS = ['READ', 'USE', 'EDIT', 'MANAGE'] as const;
export type Level = (typeof LEVELS)[number];

/** The project of whoever names none. It is there from the first start and cannot be archived. */
export const DEFAULT_PROJECT = 'default';

/** An object as `<kind>/<id>`: `experiment/3`, `model/churn`. */
export type ObjectRef = `${string}/${string}`;

export function covers(held: Level | undefined, needed: Level): boolean {
  return held !== undefined && LEVELS.indexOf(held) >= LEVELS.indexOf(needed);
}

export function highest(levels: Iterable<Level | undefined>): Level | undefined {
  let best: Level | undefined;
  for (const level of levels) if (level !== undefined && (best === undefined || covers(level, best))) best = level;
  return best;
}

/** What was granted in one project beside the roles: a level on all of it, and levels on single objects. */
export interface ProjectGrants {
  readonly level: Level | undefined;
  readonly objects: ReadonlyMap<string, Level>;
}

/** By the name of the project. */
export type Grants = ReadonlyMap<string, ProjectGrants>;

export const NO_GRANTS: Grants = new Map();
