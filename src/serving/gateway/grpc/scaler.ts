import type { ServerWritableStream, UntypedHandleCall } from '@grpc/grpc-js';
import { sleep } from '#core/clock';
import type { GatewayParts } from '../gateway-parts.ts';
import { judgeIdle, loadFor, type ScalingWish, signalValue, wishOf } from '../scaling/scaling-wish.ts';

interface ScaledObject {
  readonly scalerMetadata: Readonly<Record<string, string>>;
}

interface MetricsRequest {
  readonly scaledObjectRef: ScaledObject | null;
  readonly metricName: string;
}

type Unary = <Request extends object>(work: (request: Request) => Promise<object>) => UntypedHandleCall;

/** How often a stream looks whether the answer is another. */
const LOOK_MS = 1_000;

/** KEDA's external scaler: what an endpoint asks of this gateway, and whether it needs a replica at all. */
export function scalerHandlers(
  parts: GatewayParts,
  unary: Unary,
  fail: (call: ServerWritableStream<ScaledObject, object>, error: unknown) => void,
): Record<string, UntypedHandleCall> {
  const stream = (call: ServerWritableStream<ScaledObject, object>): void => {
    streamActive(parts, call).then(
      () => call.end(),
      (error) => fail(call, error),
    );
  };
  return {
    IsActive: unary(async ({ scalerMetadata }: ScaledObject) => ({
      result: idleness(parts, wishOf(scalerMetadata)).active,
    })),
    StreamIsActive: stream,
    GetMetricSpec: unary(async ({ scalerMetadata }: ScaledObject) => {
      const wish = wishOf(scalerMetadata);
      const spec = { targetSize: Math.max(1, Math.round(wish.target)), targetSizeFloat: wish.target };
      return { metricSpecs: [{ metricName: nameOf(wish), ...spec }] };
    }),
    GetMetrics: unary(async ({ scaledObjectRef, metricName }: MetricsRequest) => {
      const wish = wishOf(scaledObjectRef?.scalerMetadata ?? {});
      const value = signalValue(wish, loadFor(wish, parts.load), parts.load);
      return { metricValues: [{ metricName, metricValue: Math.ceil(value), metricValueFloat: value }] };
    }),
  };
}

const nameOf = ({ endpoint, signal }: ScalingWish): string => `kedge-${signal}-${endpoint}`;

function idleness({ load }: GatewayParts, wish: ScalingWish): ReturnType<typeof judgeIdle> {
  return judgeIdle(wish, loadFor(wish, load), load.forecastOf(wish.endpoint, wish.horizonMs));
}

/** Tells it at once and then each time that it changes, until the caller leaves or the gateway closes. */
async function streamActive(parts: GatewayParts, call: ServerWritableStream<ScaledObject, object>): Promise<void> {
  const wish = wishOf(call.request.scalerMetadata);
  const left = new AbortController();
  call.once('cancelled', () => left.abort());
  const signal = AbortSignal.any([parts.signal, parts.draining, left.signal]);
  for (let told: boolean | undefined; !signal.aborted; await sleep(parts.system.clock, LOOK_MS, signal)) {
    const { active: result, because } = idleness(parts, wish);
    if (result !== told) {
      parts.logger.info({ endpoint: wish.endpoint, active: result }, `autoscaler told: ${because}`);
      call.write({ result });
    }
    told = result;
  }
}
