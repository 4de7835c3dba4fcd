import type { ForeignProtocol, ForeignReply, ForeignRequest, ProtocolGroup, RequestContext } from '#platform/http';
import type { SpanService } from '../../traces/spans.ts';
import { experimentId, runId } from '../mlflow/fields.ts';
import { bodyOf } from './body.ts';
import { type Codec, codecFor, type PartialSuccess } from './codec.ts';
import { otlpErrors } from './errors.ts';
import { spansIn } from './spans-in.ts';

/** As it is sent, and as it is once unpacked. */
export const EXPORT_BYTES_MAX = 16_777_216;

const EXPERIMENT_HEADER = 'x-mlflow-experiment-id';
const RUN_HEADER = 'x-mlflow-run-id';

/** Codes of google.rpc by the status that goes with them. */
const RPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 10,
  413: 8,
  415: 3,
  429: 8,
  503: 14,
};
const RPC_INTERNAL = 13;

/** OTLP over HTTP. A refusal is in the encoding of what was sent. */
const otlpProtocol: ForeignProtocol = {
  name: 'otlp',
  prefixes: ['/v1/traces'],
  answerError({ status, message }, headers = {}) {
    const codec = codecFor(headers['content-type']) ?? codecFor('application/json');
    return { ...reply(codec, codec.refusal({ code: RPC_CODES[status] ?? RPC_INTERNAL, message })), status };
  },
};

/** Where OpenTelemetry's exporters, and MLflow's clients, send spans. */
export function otlpProtocolGroup(spans: SpanService): ProtocolGroup {
  return {
    protocol: otlpProtocol,
    routes: [
      {
        name: 'otlp.traces',
        method: 'POST',
        paths: ['/v1/traces'],
        permission: 'tracking:write',
        audit: 'trace.log-spans',
        checksObjects: true,
        takes: 'bytes',
        bodyBytesMax: EXPORT_BYTES_MAX,
        handler: (request, ctx) => receive(spans, request, ctx),
      },
    ],
  };
}

/** What cannot be taken of an export is told of in the answer, and is not to be sent again. */
async function receive(service: SpanService, request: ForeignRequest, ctx: RequestContext): Promise<ForeignReply> {
  const codec = codecFor(request.headers['content-type']);
  if (!codec) {
    throw otlpErrors['unknown-type']('content-type: expected application/x-protobuf or application/json');
  }
  const experiment = headerOf(request, EXPERIMENT_HEADER, experimentId());
  if (experiment === undefined) {
    throw otlpErrors['no-experiment'](`name the experiment of the traces by its id in the header ${EXPERIMENT_HEADER}`);
  }
  const run = headerOf(request, RUN_HEADER, runId());
  const { spans, rejected, reason } = spansIn(codec.request(await bodyOf(request, EXPORT_BYTES_MAX)), codec.encoding);
  const logged = await service.log(ctx, { experiment, spans, run });
  return reply(codec, codec.response(partialOf(rejected + logged.spans, reason ?? logged.reason)));
}

function partialOf(rejectedSpans: number, reason: string | undefined): PartialSuccess | undefined {
  return rejectedSpans === 0 ? undefined : { rejectedSpans, errorMessage: reason ?? '' };
}

function headerOf(
  { headers }: ForeignRequest,
  name: string,
  schema: ReturnType<typeof experimentId>,
): string | undefined {
  const value = headers[name];
  if (value === undefined || value === '') return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw otlpErrors['no-experiment'](`${name}: ${parsed.error.issues[0]?.message ?? 'expected an id'}`);
}

function reply(codec: Codec, body: string | Uint8Array): ForeignReply {
  return { headers: { 'content-type': codec.mediaType }, body };
}
