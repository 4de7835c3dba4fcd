import type { Caller } from '../protection/access/caller.ts';
import type { RequestEnd, WatchedRequest } from './request-watch.ts';

const PATH_LENGTH_MAX = 2_000;
/** https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** A request as a line of the access log. What is not known is not in it. */
export function accessLine(
  watched: WatchedRequest,
  { status, bytes, aborted }: RequestEnd,
  { tookMs, traceId }: { readonly tookMs: number; readonly traceId: string | undefined },
): string {
  const { head, startedAt, caller, endpoint, model, revision, arm, prediction, rows } = watched;
  return JSON.stringify({
    time: new Date(startedAt).toISOString(),
    ...{ protocol: head.protocol, method: head.method, path: head.path.slice(0, PATH_LENGTH_MAX), status },
    durationMicros: Math.round(tookMs * 1_000),
    ...(bytes === undefined ? {} : { bytes }),
    ...(aborted ? { aborted } : {}),
    ...callerOf(caller),
    ...(endpoint === undefined ? (model === undefined ? {} : { model }) : { endpoint }),
    ...{ revision, arm, prediction },
    ...(rows > 1 ? { rows } : {}),
    trace: traceId ?? TRACEPARENT.exec(head.header('traceparent') ?? '')?.[1],
  });
}

function callerOf(caller: Caller | undefined): object {
  if (!caller) return {};
  const { id, tenant } = caller;
  return { ...(id === '' ? {} : { caller: id }), ...(tenant === undefined ? {} : { tenant }) };
}
