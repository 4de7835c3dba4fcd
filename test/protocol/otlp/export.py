"""Spans through OpenTelemetry's own exporter: export.py <url> <experiment> <compression: none, gzip or deflate>."""

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

url, experiment, compression = sys.argv[1:]


class Checked(OTLPSpanExporter):
    """Tells of exports that fail, which the processors of the SDK only log."""

    def export(self, spans):
        result = super().export(spans)
        assert result is SpanExportResult.SUCCESS, result
        exported.append(len(spans))
        return result


exported = []
headers = {"x-mlflow-experiment-id": experiment}
exporter = Checked(endpoint=f"{url}/v1/traces", headers=headers, compression=Compression(compression))
provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("shop", "1.2")

with tracer.start_as_current_span("order", attributes={"gen_ai.operation.name": "invoke_agent"}) as root:
    for i in range(1_500):
        with tracer.start_as_current_span(f"step {i}", attributes={"i": i, "half": i / 2, "even": i % 2 == 0}) as span:
            span.set_attribute("list", ["a", "b"])
            span.add_event("done", {"at": i})
    try:
        with tracer.start_as_current_span("pay", links=[trace.Link(root.get_span_context())]):
            raise ValueError("no funds")
    except ValueError:
        pass

provider.shutdown()
assert sum(exported) == 1_502 and len(exported) > 1, exported
print(format(root.get_span_context().trace_id, "032x"))
