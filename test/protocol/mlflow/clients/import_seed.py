"""Fills a stock server, or a file store, with some of everything that an import brings along."""

import os
import sys
import tempfile

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow
import numpy
import sklearn
from mlflow import MlflowClient
from mlflow.entities import Metric
from sklearn.linear_model import LinearRegression

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
major = int(mlflow.__version__.split(".")[0])


def log_model(model, **named):
    name = {"name": "model"} if major >= 3 else {"artifact_path": "model"}
    # Without requirements the client starts a Python for each model, to see what loading it imports.
    return mlflow.sklearn.log_model(model, pip_requirements=[f"scikit-learn=={sklearn.__version__}"], **name, **named)


def rides():
    experiment = client.create_experiment("rides", tags={"team": "north", "empty": ""})
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    with mlflow.start_run(experiment_id=experiment, run_name="first ü", tags={"kind": "base"}) as run:
        mlflow.log_params({"depth": "3", "path/like": "x" * 500})
        for step in range(30):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        client.log_batch(run.info.run_id, [Metric("odd", v, 1000 + i, i) for i, v in enumerate([1.5, float("nan")])])
        mlflow.log_metric("negative", -2, step=-5)
        mlflow.log_input(mlflow.data.from_numpy(numpy.arange(4), name="counts"), context="training")
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/plots/deep")
            for name, text in {"notes.txt": "hello", "plots/deep/ü b.txt": "x" * 300_000, "plots/empty": ""}.items():
                with open(f"{folder}/{name}", "w") as file:
                    file.write(text)
            mlflow.log_artifacts(folder, "files")
        log_model(model, registered_model_name="ride-model")
        with mlflow.start_run(nested=True, experiment_id=experiment) as child:
            mlflow.log_metric("loss", 9)
    with mlflow.start_run(experiment_id=experiment) as second:
        log_model(model, registered_model_name="ride-model")
    failed = client.create_run(experiment, run_name="failed")
    client.set_terminated(failed.info.run_id, "FAILED")
    client.delete_run(client.create_run(experiment, run_name="deleted").info.run_id)
    client.create_run(experiment, start_time=1234567890123, run_name="running")


def registry():
    client.update_registered_model("ride-model", description="Predicts rides")
    client.set_registered_model_tag("ride-model", "owner", "north")
    client.set_model_version_tag("ride-model", "1", "checked", "yes")
    client.update_model_version("ride-model", "2", description="better")
    client.set_registered_model_alias("ride-model", "champion", "1")
    client.set_registered_model_alias("ride-model", "next", "2")
    client.transition_model_version_stage("ride-model", "1", "Production")
    client.transition_model_version_stage("ride-model", "2", "Staging")
    client.create_registered_model("bare")
    client.create_model_version("bare", "s3://elsewhere/model")
    client.create_model_version("bare", "s3://elsewhere/other")
    client.delete_model_version("bare", "1")


def gone():
    experiment = client.create_experiment("gone")
    client.create_run(experiment)
    client.delete_experiment(experiment)


def prompts():
    # A file store has none, nor has MLflow 2 by this way.
    if major >= 3 and sys.argv[1].startswith("http"):
        mlflow.genai.register_prompt(name="greeting", template="Hello {{name}}", commit_message="first")
        mlflow.genai.register_prompt(name="greeting", template="Good day {{name}}", tags={"tone": "formal"})


def traces():
    mlflow.set_experiment("rides")

    @mlflow.trace(span_type="LLM")
    def inner(question):
        return {"answer": question, "parts": [1, 2.5, None]}

    @mlflow.trace(attributes={"model": "x"})
    def outer(question, fail=False):
        if major >= 3:
            tags, metadata = {"team": "north ü"}, {"mlflow.trace.session": "s1"}
            mlflow.update_current_trace(tags=tags, metadata=metadata, client_request_id=f"request {question}")
        else:
            mlflow.update_current_trace(tags={"team": "north ü"})
        inner(question)
        if fail:
            raise ValueError("no")
        return question

    for i in range(5):
        try:
            outer(f"question {i}", i == 3)
        except ValueError:
            pass
    with mlflow.start_run():
        outer("in a run")
    if hasattr(mlflow, "flush_trace_async_logging"):
        mlflow.flush_trace_async_logging()
    if major >= 3:
        from mlflow.entities import AssessmentError, AssessmentSource

        trace = mlflow.get_last_active_trace_id()
        ann = AssessmentSource(source_type="HUMAN", source_id="ann")
        said = mlflow.log_feedback(trace_id=trace, name="good", value=True, rationale="yes", source=ann)
        mlflow.log_expectation(trace_id=trace, name="answer", value={"x": 1}, source=ann)
        mlflow.log_feedback(trace_id=trace, name="score", value=0.5, metadata={"model": "m"})
        mlflow.log_feedback(trace_id=trace, name="failed", error=AssessmentError("LIMIT", "too many"))
        mlflow.override_feedback(trace_id=trace, assessment_id=said.assessment_id, value=False, source=ann)


def webhooks():
    if hasattr(client, "create_webhook") and sys.argv[1].startswith("http"):
        client.create_webhook("news", "https://93.184.216.34/hook", ["model_version.created"], secret="s" * 20)


rides()
registry()
prompts()
traces()
webhooks()
gone()
with mlflow.start_run(experiment_id="0"):
    mlflow.log_metric("m", 1)
print(f"seeded with {mlflow.__version__}")
