import { sleepToBeat } from '#core/clock';
import type { GatewayParts } from '../gateway-parts.ts';
import { judgeIdle, loadFor, type ScalingWish, signalValue, wishOf } from '../scaling/scaling-wish.ts';
import type { RpcCall } from './http2/rpc-call.ts';
import type { RpcHandler } from './http2/rpc-server.ts';
import type { Unary } from './unary.ts';

interface ScaledObject {
  readonly scalerMetadata: Readonly<Record<string, string>>;
}

interface MetricsRequest {
  readonly scaledObjectRef: ScaledObject | null;
  readonly metricName: string;
}

/** How often a stream looks whether the answer is another. */
const LOOK_MS = 1_000;

/** KEDA's external scaler: what an endpoint asks of this gateway, and whether it needs a replica at all. */
export function scalerHandlers(parts: GatewayParts, unary: Unary): Record<string, RpcHandler> {
  return {
    IsActive: unary(async ({ scalerMetadata }: ScaledObject) => ({
      result: idleness(parts, wishOf(scalerMetadata)).active,
    })),
    StreamIsActive: {
      one(request, call) {
        streamActive(parts, call, request as ScaledObject).then(
          () => call.end(),
          (error) => call.refuse(error),
        );
      },
    },
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
async function streamActive(parts: GatewayParts, call: RpcCall, { scalerMetadata }: ScaledObject): Promise<void> {
  const wish = wishOf(scalerMetadata);
  const left = new AbortController();
  call.onGone(() => left.abort());
  const signal = AbortSignal.any([parts.signal, parts.draining, left.signal]);
  for (let told: boolean | undefined; !signal.aborted; await sleepToBeat(parts.system.clock, LOOK_MS, signal)) {
    const { active: result, because } = idleness(parts, wish);
    if (result !== told) {
      parts.logger.info({ endpoint: wish.endpoint, active: result }, `autoscaler told: ${because}`);
      call.send({ result });
    }
    told = result;
  }
}
