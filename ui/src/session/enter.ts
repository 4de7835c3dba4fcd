import { ProblemError } from '#client';
import { kedge } from '../data/read.ts';

/** Whether the page may show anything, and why not. */
export type Entry = { readonly isIn: true } | { readonly isIn: false; readonly error?: Error };

/**
 * Finds out whether somebody is signed in. A link of `kedge up` or `kedge login --link` carries a token behind the `#`,
 * which browsers send to nobody; it is used once and taken out of the address before anything else.
 */
export async function enter(): Promise<Entry> {
  const { pathname, hash } = window.location;
  try {
    if (pathname === SIGN_IN_PATH) window.history.replaceState(null, '', '/');
    if (pathname === SIGN_IN_PATH && hash.length > 1) await kedge.session.signIn({ body: { token: hash.slice(1) } });
    else await kedge.session.getSession();
    return { isIn: true };
  } catch (error) {
    // Whatever else went wrong, the pages say better than a form could.
    if (!isUnknown(error)) return { isIn: true };
    return hash.length > 1 && pathname === SIGN_IN_PATH ? { isIn: false, error: error as Error } : { isIn: false };
  }
}

/** Whether the control plane does not know who asks. */
export function isUnknown(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 401;
}

const SIGN_IN_PATH = '/sign-in';
