import { defineErrors } from '#core/errors';

/**
 * Tells somebody outside over HTTP.
 *
 * - Nothing is sent to an address inside (loopback, private, link-local, and whatever else is not public) unless the
 *   adapter was told that it may. The address that is checked is the one that is connected to.
 * - Redirects are not followed: they would lead around that check.
 * - At most {@link REPLY_BYTES_MAX} of the reply are read; the rest is cut off.
 */
export interface Notifier {
  /** Throws `notify/invalid-target` unless `url` is one that a message could be sent to. */
  check(url: string): Promise<void>;

  /** Posts `body` and answers what came back, whatever its status. Throws `notify/not-delivered` when nothing did. */
  post(message: Message): Promise<{ readonly status: number; readonly body: string }>;
}

export interface Message {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
}

export const REPLY_BYTES_MAX = 16_384;

export const notifyErrors = defineErrors('notify', {
  'invalid-target': { status: 400, title: 'Messages cannot be sent there' },
  'not-delivered': { status: 502, title: 'The message was not taken' },
});
