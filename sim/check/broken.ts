import type { StepRow } from './history.ts';

/** What does not hold. */
export interface Broken {
  /** Its number in the README of pipelines. */
  readonly invariant: number;
  readonly message: string;
}

export const nameOf = ({ run, name }: Pick<StepRow, 'run' | 'name'>): string => `${run}/${name}`;

export const broken = (invariant: number, message: string): Broken => ({ invariant, message });
