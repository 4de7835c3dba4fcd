import type { Cause } from '#core/cause';
import type { Json } from '#core/json';

/** What a step function gets. Everything it may depend on is in here, and in its declaration. */
export interface StepContext {
  /** The parameters of the step, with those of the run filled in. */
  readonly params: Readonly<Record<string, Json>>;
  /** Local paths of the inputs, by name. Files are read-only; a directory is a copy for this step alone. */
  readonly inputs: Readonly<Record<string, string>>;
  /**
   * The path to write a declared output to: as one file, or as a directory, which is named without its slash. Throws
   * for a name that the step does not declare.
   */
  output(name: string): string;
  /** Says how far the step is, for people. */
  progress(n: number, of: number, text?: string): void;
  /** Records a figure of the step. The last value of a name stays. */
  metric(name: string, value: number): void;
  /** Writes a line to the log of the step. */
  log(...parts: readonly unknown[]): void;
  /** Seeds whatever the step draws at random: equal runs draw equally. */
  readonly seed: number;
  readonly run: string;
  /** Why the run was started, and by whom. */
  readonly cause: Cause;
  readonly step: string;
  /** Where the control plane is, for `createClient`: what a step does there, it does as its worker. */
  readonly client: { readonly url: string; readonly token?: string | undefined };
  /** Aborted when the step is cancelled or out of time; it is killed a few seconds later. */
  readonly signal: AbortSignal;
}

/** A step as users write it. What it returns, if anything, is the JSON result of the step, at most 256 KiB. */
export type StepFunction = (context: StepContext) => unknown;
