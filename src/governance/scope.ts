import { accessErrors, isAdministrator, type Level } from '#platform/access';
import type { Context } from '#platform/db';
import type { RequestContext } from '#platform/http';
import { partsOfKey } from '#registry';

/** Administrators see every project; everybody else that of their request. */
export function scopeOf({ actor, project }: RequestContext): string | undefined {
  return isAdministrator(actor) ? undefined : project;
}

/** Whether the caller may see a model, which its key says the project of. */
export function isVisible(ctx: RequestContext, key: string): boolean {
  const { project, name } = partsOfKey(key);
  if (isAdministrator(ctx.actor)) return true;
  return project === ctx.project && ctx.access.levelOn(`model/${name}`) !== undefined;
}

/** Errors: `access/not-found` for a model that the caller may not see, else `access/forbidden`. */
export function requireLevel(ctx: RequestContext, key: string, level: Level): void {
  const { project, name } = partsOfKey(key);
  if (isAdministrator(ctx.actor)) return;
  if (project === ctx.project) ctx.access.require(`model/${name}`, level);
  else throw accessErrors['not-found'](`there is no model '${key}' in the project '${ctx.project}'`);
}

/** The context for what is done to a model, which the log of the model's project has, whichever the request is in. */
export function inProjectOf(context: Context, key: string): Context {
  return { ...context, project: partsOfKey(key).project };
}
