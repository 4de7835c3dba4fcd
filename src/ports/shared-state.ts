/**
 * Short-lived state that several gateways share: token buckets and answers. Nothing in it is the only copy of anything,
 * and whoever uses it goes on without it: every call rejects soon when the store cannot be reached, and none is queued.
 */
export interface SharedState {
  /**
   * Takes tokens from all of these buckets, or from none. Buckets fill by the clock of the store, which is one for all.
   * A bucket that nobody has touched is full.
   */
  takeTokens(takes: readonly TokenTake[]): Promise<TokenOutcome>;

  /** A value that has not ended. */
  get(key: string): Promise<Uint8Array | undefined>;

  set(key: string, value: Uint8Array, ttlMs: number): Promise<void>;

  close(): Promise<void>;
}

export interface TokenTake {
  readonly key: string;
  /** How many come in a millisecond. */
  readonly perMs: number;
  /** How many a full bucket holds. */
  readonly burst: number;
  /** At most `burst`. */
  readonly tokens: number;
}

export type TokenOutcome =
  | { readonly taken: true }
  /** The first bucket that holds too few, by its place, and in how many milliseconds it has enough. */
  | { readonly taken: false; readonly place: number; readonly waitMs: number };
