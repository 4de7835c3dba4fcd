/**
 * What went between the executor and an API server, in the order in which the recorder saw it; requests are numbered.
 * Bodies are text; `managedFields`, which nobody reads and which are most of an object, are left out.
 */
export type Entry =
  | { readonly request: number; readonly method: string; readonly url: string; readonly body?: unknown }
  | { readonly answer: number; readonly status: number }
  | { readonly text: number; readonly content: string }
  | { readonly end: number }
  /** The connection was cut instead of an end: the answer was lost. */
  | { readonly cut: number };

export interface Recording {
  readonly server: string;
  readonly namespace: string;
  readonly entries: readonly Entry[];
}
