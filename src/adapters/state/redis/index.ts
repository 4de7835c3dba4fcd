import { Redis } from 'ioredis';
import { messageOf } from '#core/errors';
import type { SharedState, TokenOutcome, TokenTake } from '#ports/shared-state';

export interface RedisOptions {
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url: string;
  /** Before each key, so that several installations share one server. */
  readonly prefix?: string;
  /** A command that takes longer has failed. */
  readonly timeoutMs?: number;
  /** The connection was lost or could not be made; told once until it is there again. */
  readonly onLost?: (message: string) => void;
}

/**
 * Looks at every bucket first and takes only then, so that a refusal costs no tokens. Runs as a whole in the server, by
 * its clock. A bucket leaves when it would be full again.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local left = {}
for i = 1, #KEYS do
  local perMs, burst, wanted = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local state = redis.call('HMGET', KEYS[i], 'tokens', 'at')
  local tokens, at = tonumber(state[1]) or burst, tonumber(state[2]) or now
  tokens = math.min(burst, tokens + math.max(0, now - at) * perMs)
  if tokens + 1e-9 < wanted then return { i, tostring((wanted - tokens) / perMs) } end
  left[i] = tokens - wanted
end
for i = 1, #KEYS do
  local perMs, burst = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  redis.call('HSET', KEYS[i], 'tokens', tostring(left[i]), 'at', string.format('%.3f', now))
  redis.call('PEXPIRE', KEYS[i], math.ceil(burst / perMs) + 1000)
end
return { 0, '0' }
`;

/** Shared state in Redis 6 or later. Does not wait for the server: until it is there, every call rejects. */
export function openRedis({ url, prefix = 'kedge:', timeoutMs = 100, onLost }: RedisOptions): SharedState {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: timeoutMs,
    connectTimeout: 2_000,
    retryStrategy: (attempt) => Math.min(50 * attempt, 2_000),
  });
  let isLost = false;
  redis.on('ready', () => {
    isLost = false;
  });
  redis.on('error', (error) => {
    if (!isLost) onLost?.(messageOf(error));
    isLost = true;
  });
  return {
    async takeTokens(takes) {
      const keys = takes.map(({ key }) => prefix + key);
      const figures = takes.flatMap(({ perMs, burst, tokens }: TokenTake) => [perMs, burst, tokens].map(String));
      const [place, waitMs] = (await redis.eval(TAKE, keys.length, ...keys, ...figures)) as [number, string];
      return place === 0 ? { taken: true } : ({ taken: false, place: place - 1, waitMs: +waitMs } as TokenOutcome);
    },
    async get(key) {
      return (await redis.getBuffer(prefix + key)) ?? undefined;
    },
    async set(key, value, ttlMs) {
      await redis.set(prefix + key, Buffer.from(value), 'PX', Math.max(1, Math.ceil(ttlMs)));
    },
    async close() {
      redis.disconnect();
    },
  };
}
