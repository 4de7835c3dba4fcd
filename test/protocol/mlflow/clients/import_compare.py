"""Reads a source and Kedge with the same client, and tells whether they say the same."""

import os
import sys
import tempfile

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType

source, kedge = (MlflowClient(tracking_uri=uri, registry_uri=uri) for uri in sys.argv[1:3])
major = int(mlflow.__version__.split(".")[0])
compared = 0


def same(what, *values):
    global compared
    compared += 1
    assert repr(values[0]) == repr(values[1]), f"{what}: {values[0]!r} is {values[1]!r} in Kedge"


def every(search, **named):
    found, token = [], None
    while True:
        page = search(**named, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def point(metric):
    return (metric.key, metric.value, metric.timestamp, metric.step)


def files(client, run, path=None):
    mlflow.set_tracking_uri(client.tracking_uri)
    for file in client.list_artifacts(run, path):
        if file.is_dir:
            yield from files(client, run, file.path)
        else:
            yield (file.path, file.file_size or 0)


def content(client, run, path, folder):
    # MLflow 2 looks for files of the proxy at the address that is set, whatever the client has.
    mlflow.set_tracking_uri(client.tracking_uri)
    with open(client.download_artifacts(run, path, folder), "rb") as file:
        return file.read()


def compare_files(run):
    listed = [sorted(files(client, run)) for client in (source, kedge)]
    same("files", *listed)
    for path, _ in listed[0]:
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            # Stock servers of some versions do not find a file again whose name is not ASCII.
            there = content(source, run, path, a) if path.isascii() else b"x" * 300_000
            same(f"content of {path}", there, content(kedge, run, path, b))


def run_info(run):
    info = run.info
    return (info.run_id, info.run_name, info.user_id, info.status, info.start_time, info.end_time, info.lifecycle_stage)


def compare_run(one):
    other = kedge.get_run(one.info.run_id)
    same("run", run_info(one), run_info(other))
    same("params", sorted(one.data.params.items()), sorted(other.data.params.items()))
    same("tags", sorted(one.data.tags.items()), sorted(other.data.tags.items()))
    same("metrics", sorted(one.data.metrics.items()), sorted(other.data.metrics.items()))
    for key in one.data.metrics:
        # A file store keeps a point twice that was logged twice.
        points = [c.get_metric_history(one.info.run_id, key) for c in (source, kedge)]
        histories = [sorted({repr(point(metric)) for metric in found}) for found in points]
        same(f"history of {key}", *histories)
    inputs = [
        [
            (i.dataset.name, i.dataset.digest, i.dataset.source_type, i.dataset.source, i.dataset.schema,
             i.dataset.profile, [(t.key, t.value) for t in i.tags])
            for i in run.inputs.dataset_inputs
        ]
        for run in (one, other)
    ]
    same("inputs", *inputs)
    if major >= 3:
        same("outputs", *([(o.model_id, o.step) for o in run.outputs.model_outputs] if run.outputs else []
                          for run in (one, other)))
    if one.info.lifecycle_stage == "active":
        compare_files(one.info.run_id)


def model_facts(model):
    metrics = sorted((m.key, m.value, m.timestamp, m.step, m.run_id, m.dataset_name, m.dataset_digest)
                     for m in model.metrics or [])
    return (model.model_id, model.name, model.creation_timestamp, model.last_updated_timestamp, str(model.status),
            model.model_type or "", model.source_run_id,
            sorted(model.params.items()), sorted(model.tags.items()), metrics)


def version_facts(version):
    tags = {key: value for key, value in version.tags.items() if not key.startswith("kedge.")}
    return (str(version.version), version.creation_timestamp, version.last_updated_timestamp, version.current_stage,
            version.description or "", version.run_id or "", version.status, sorted(tags.items()))


# Where a trace and its spans are kept is told anew by each server.
PLACES = ("mlflow.artifactLocation", "mlflow.trace.spansLocation")
traced = 0


def trace_id(info):
    return getattr(info, "trace_id", None) or info.request_id


def trace_facts(trace):
    info = trace.info
    tags = sorted((key, value) for key, value in info.tags.items() if key not in PLACES)
    metadata = info.trace_metadata if major >= 3 else info.request_metadata
    facts = [trace_id(info), info.timestamp_ms, info.execution_time_ms, str(info.status), tags,
             sorted(metadata.items())]
    if major >= 3:
        facts += [info.client_request_id, info.request_preview, info.response_preview]
        facts.append(sorted((a.assessment_id, a.name, str(a.feedback and a.feedback.value), repr(a.expectation),
                             a.rationale, a.source.source_type, a.source.source_id, a.create_time_ms,
                             a.last_update_time_ms, a.overrides, a.valid, sorted((a.metadata or {}).items()))
                            for a in info.assessments))
    return facts


def span_facts(span):
    events = [(event.name, event.timestamp, sorted(event.attributes.items())) for event in span.events]
    return (span.span_id, span.parent_id, span.name, span.span_type, span.start_time_ns, span.end_time_ns,
            str(span.status), span.inputs, span.outputs, sorted(span.attributes.items(), key=repr), events)


def compare_traces(experiment, other):
    global traced
    with_spans = []
    for client, one in ((source, experiment), (kedge, other)):
        mlflow.set_tracking_uri(client.tracking_uri)
        found = every(client.search_traces, experiment_ids=[one.experiment_id])
        with_spans.append(sorted((client.get_trace(trace_id(trace.info)) for trace in found),
                                 key=lambda trace: trace_id(trace.info)))
    same("traces", *([trace_id(trace.info) for trace in found] for found in with_spans))
    for one, other in zip(*with_spans):
        same("trace", trace_facts(one), trace_facts(other))
        spans = [sorted(map(span_facts, trace.data.spans), key=repr) for trace in (one, other)]
        same("spans", *spans)
        assert len(spans[0]) == 2, spans
        traced += 1


names = []
for experiment in every(source.search_experiments, view_type=ViewType.ALL):
    names.append(experiment.name)
    other = kedge.get_experiment_by_name(experiment.name)
    same("experiment", (experiment.name, experiment.lifecycle_stage, sorted(experiment.tags.items())),
         (other.name, other.lifecycle_stage, sorted(other.tags.items())))
    if experiment.experiment_id != "0":
        same("times", (experiment.creation_time, experiment.last_update_time),
             (other.creation_time, other.last_update_time))
    runs = every(source.search_runs, experiment_ids=[experiment.experiment_id], run_view_type=ViewType.ALL)
    found = every(kedge.search_runs, experiment_ids=[other.experiment_id], run_view_type=ViewType.ALL)
    same("runs", sorted(run.info.run_id for run in runs), sorted(run.info.run_id for run in found))
    for run in runs:
        compare_run(run)
    if experiment.lifecycle_stage == "active":
        compare_traces(experiment, other)
    if major >= 3:
        models = [c.search_logged_models(experiment_ids=[e.experiment_id])
                  for c, e in ((source, experiment), (kedge, other))]
        same("logged models", *(sorted(map(model_facts, found), key=repr) for found in models))
assert traced == 6, traced
assert sorted(names) == ["Default", "gone", "rides"], names

if hasattr(source, "list_webhooks") and sys.argv[1].startswith("http"):
    hooks = [[(hook.name, hook.url, sorted(map(str, hook.events))) for hook in c.list_webhooks()]
             for c in (source, kedge)]
    same("webhooks", *hooks)
    assert [str(hook.status) for hook in kedge.list_webhooks()] == ["DISABLED"], kedge.list_webhooks()

models = every(source.search_registered_models)
same("registered models", *(sorted(m.name for m in every(c.search_registered_models)) for c in (source, kedge)))
for model in models:
    other = kedge.get_registered_model(model.name)
    facts = [(m.name, m.creation_timestamp, m.last_updated_timestamp, m.description or "", sorted(m.tags.items()),
              sorted((a, str(v)) for a, v in m.aliases.items())) for m in (model, other)]
    same("registered model", *facts)
    versions = [sorted(c.search_model_versions(f"name = '{model.name}'"), key=lambda v: int(v.version))
                for c in (source, kedge)]
    same("versions", *([version_facts(v) for v in found] for found in versions))

if major >= 3 and sys.argv[1].startswith("http"):
    for number in (1, 2):
        found = []
        for uri in sys.argv[1:3]:
            mlflow.set_tracking_uri(uri)
            prompt = mlflow.genai.load_prompt(f"prompts:/greeting/{number}")
            tags = sorted((key, value) for key, value in prompt.tags.items() if not key.startswith("kedge."))
            found.append((prompt.template, prompt.version, prompt.commit_message or "", tags))
        same("prompt", *found)

mlflow.set_tracking_uri(sys.argv[2])
loaded = mlflow.pyfunc.load_model("models:/ride-model@champion")
same("prediction", 3.0, round(float(loaded.predict([[3.0]])[0]), 6))
print(f"compared {compared} with {mlflow.__version__}")
