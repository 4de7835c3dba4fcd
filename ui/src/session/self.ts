import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';

/** Roles that decide about approvals; the server refuses everybody else. */
const DECIDING = ['admin', 'approver', 'system'];

export interface Self {
  readonly actor: string;
  readonly mayDecide: boolean;
}

/** Who is signed in, once it is known. */
export function useSelf(): Self | undefined {
  const { data } = useQuery(read('session', 'getSession'));
  return data && { actor: data.actor, mayDecide: data.roles.some((role) => DECIDING.includes(role)) };
}
