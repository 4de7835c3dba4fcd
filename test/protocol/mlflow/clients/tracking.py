"""Experiments, runs, metrics, params, tags, batches, data sets and histories through MLflow's own client."""

import math
import sys
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()


def refused(call, *texts):
    try:
        call()
    except MlflowException as error:
        for text in texts:
            assert text in str(error) or text == error.error_code, f"{text!r} is not in {error.error_code} {error}"
        return error
    raise AssertionError("was not refused")


def experiments():
    default = client.get_experiment("0")
    assert default.name == "Default" and default.lifecycle_stage == "active", default
    first = client.create_experiment("rides", tags={"team": "north"})
    assert client.get_experiment_by_name("nowhere") is None
    found = client.get_experiment_by_name("rides")
    assert found.experiment_id == first and found.tags["team"] == "north"
    assert found.artifact_location == f"mlflow-artifacts:/{first}", found.artifact_location
    refused(lambda: client.create_experiment("rides"), "RESOURCE_ALREADY_EXISTS")
    client.set_experiment_tag(first, "stage", "one")
    client.rename_experiment(first, "rides-2")
    assert client.get_experiment(first).name == "rides-2"
    client.delete_experiment(first)
    assert client.get_experiment(first).lifecycle_stage == "deleted"
    names = [e.name for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
    assert names == ["rides-2"], names
    refused(lambda: client.rename_experiment(first, "rides-3"))
    refused(lambda: client.create_experiment("rides-2"), "RESOURCE_ALREADY_EXISTS")
    client.restore_experiment(first)
    for i in range(7):
        client.create_experiment(f"many-{i}", tags={"odd": str(i % 2)})
    odd = client.search_experiments(filter_string="tags.odd = '1' AND name LIKE 'many-%'", order_by=["name ASC"])
    assert [e.name for e in odd] == ["many-1", "many-3", "many-5"], odd
    pages, token = [], None
    while True:
        page = client.search_experiments(filter_string="name ILIKE 'MANY-%'", max_results=3, page_token=token)
        pages.append(len(page))
        token = page.token
        if not token:
            break
    assert pages == [3, 3, 1], pages
    refused(lambda: client.get_experiment("4711"), "RESOURCE_DOES_NOT_EXIST")
    times = [e.creation_time for e in client.search_experiments(filter_string="name LIKE 'many-%'")]
    for query, expected in {
        "name = 'many-3'": 1,
        "name != 'many-3' AND name LIKE 'many-%'": 6,
        "name LIKE 'MANY-%'": 0,
        "tags.odd != '1'": 4,
        "tags.odd ILIKE '%'": 7,
        "tags.`odd` LIKE '0'": 4,
        f"attribute.creation_time >= {times[3]} AND name LIKE 'many-%'": sum(t >= times[3] for t in times),
        f"creation_time < {times[3]} AND name LIKE 'many-%'": sum(t < times[3] for t in times),
        "last_update_time > 0 AND name = 'rides-2'": 1,
    }.items():
        found = client.search_experiments(filter_string=query)
        assert len(found) == expected, (query, len(found))
    ordered = client.search_experiments(filter_string="name LIKE 'many-%'", order_by=["creation_time DESC", "name ASC"])
    assert [e.creation_time for e in ordered] == sorted(times, reverse=True)
    refused(lambda: client.search_experiments(filter_string="name > 'a'"), "INVALID_PARAMETER_VALUE")
    refused(lambda: client.search_experiments(filter_string="nothing = 'a'"), "INVALID_PARAMETER_VALUE")


def runs():
    experiment = mlflow.set_experiment("runs")
    with mlflow.start_run(run_name="parent", tags={"kind": "outer"}, description="a parent") as parent:
        mlflow.log_param("depth", 3)
        mlflow.log_params({"rate": 0.1, "loss": "log"})
        mlflow.log_metric("auc", 0.5, step=0)
        mlflow.log_metrics({"auc": 0.75, "f1": 0.5}, step=1)
        mlflow.set_tags({"a.b": "c", "with space": "d"})
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("auc", 0.25)
    found = client.get_run(parent.info.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "parent", found.info
    assert found.info.end_time >= found.info.start_time
    assert found.data.params == {"depth": "3", "rate": "0.1", "loss": "log"}, found.data.params
    assert found.data.metrics == {"auc": 0.75, "f1": 0.5}, found.data.metrics
    assert found.data.tags["a.b"] == "c" and found.data.tags["mlflow.note.content"] == "a parent"
    inner = client.get_run(child.info.run_id)
    assert inner.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert inner.info.run_name, "a run without a name gets one"
    refused(lambda: client.log_param(parent.info.run_id, "depth", 4), "Changing param values is not allowed")
    client.log_param(parent.info.run_id, "depth", 3)
    client.set_terminated(child.info.run_id, "KILLED", end_time=1_700_000_000_000)
    assert client.get_run(child.info.run_id).info.end_time == 1_700_000_000_000
    client.update_run(child.info.run_id, status="FAILED", name="renamed")
    renamed = client.get_run(child.info.run_id)
    assert (renamed.info.status, renamed.info.run_name) == ("FAILED", "renamed")
    assert renamed.data.tags["mlflow.runName"] == "renamed"
    client.delete_tag(parent.info.run_id, "a.b")
    assert "a.b" not in client.get_run(parent.info.run_id).data.tags
    refused(lambda: client.delete_tag(parent.info.run_id, "a.b"), "RESOURCE_DOES_NOT_EXIST")
    client.delete_run(child.info.run_id)
    assert client.get_run(child.info.run_id).info.lifecycle_stage == "deleted"
    refused(lambda: client.log_metric(child.info.run_id, "auc", 1), "must be in the 'active' state")
    active = client.search_runs([experiment.experiment_id])
    assert [run.info.run_name for run in active] == ["parent"], active
    gone = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert [run.info.run_name for run in gone] == ["renamed"]
    client.restore_run(child.info.run_id)
    assert len(client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)) == 2
    with mlflow.start_run(run_id=parent.info.run_id):
        mlflow.log_metric("resumed", 1)
    refused(lambda: client.get_run("0" * 32), "RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.log_metric(parent.info.run_id, "bad\nkey", 1), "INVALID_PARAMETER_VALUE")


def batches():
    experiment = mlflow.set_experiment("batches")
    run = client.create_run(experiment.experiment_id).info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(f"m{i % 10}", i / 10, now + i, i // 10) for i in range(1000)]
    client.log_batch(run, metrics=metrics)
    client.log_batch(run, metrics=metrics)
    for i in range(10):
        assert len(client.get_metric_history(run, f"m{i}")) == 100
    params = [Param(f"p{i}", str(i)) for i in range(100)]
    tags = [RunTag(f"t{i}", str(i)) for i in range(100)]
    client.log_batch(run, params=params, tags=tags)
    found = client.get_run(run)
    assert found.data.params["p99"] == "99" and found.data.tags["t99"] == "99"
    assert found.data.metrics["m9"] == 99.9, found.data.metrics
    before = len(client.get_metric_history(run, "m0"))
    batch = dict(metrics=[Metric("m0", 1, now, 1_000)], params=[Param("p0", "other")], tags=[RunTag("new", "1")])
    refused(lambda: client.log_batch(run, **batch), "Changing param values is not allowed")
    assert len(client.get_metric_history(run, "m0")) == before, "half a batch was logged"
    assert "new" not in client.get_run(run).data.tags
    special = [Metric("s", value, now, i) for i, value in enumerate([math.nan, math.inf, -math.inf, 1.5])]
    client.log_batch(run, metrics=special)
    values = [m.value for m in client.get_metric_history(run, "s")]
    assert math.isnan(values[0]) and values[1:] == [math.inf, -math.inf, 1.5], values
    client.log_metric(run, "negative", -1e300, timestamp=now, step=-5)
    point = client.get_metric_history(run, "negative")[0]
    assert (point.value, point.step, point.timestamp) == (-1e300, -5, now)


def datasets():
    import pandas

    mlflow.set_experiment("datasets")
    frame = pandas.DataFrame({"x": [1, 2, 3], "y": [0, 1, 0]})
    dataset = mlflow.data.from_pandas(frame, source="http://example.org/rides.csv", name="rides", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training")
        mlflow.log_input(dataset, context="training")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert len(inputs) == 1 and inputs[0].dataset.name == "rides", inputs
    assert inputs[0].dataset.digest == dataset.digest and inputs[0].tags[0].value == "training"
    assert "mlflow_colspec" in inputs[0].dataset.schema
    queries = ["dataset.name = 'rides'", f"datasets.digest IN ('{dataset.digest}')", "dataset.context LIKE 'train%'"]
    for query in queries:
        assert len(mlflow.search_runs(filter_string=query)) == 1, query
    assert len(mlflow.search_runs(filter_string="dataset.name = 'other'")) == 0


def autolog():
    import numpy
    from sklearn.linear_model import LogisticRegression

    mlflow.set_experiment("autolog")
    mlflow.sklearn.autolog(log_models=False)
    x = numpy.arange(40).reshape(-1, 1)
    with mlflow.start_run() as run:
        LogisticRegression(C=0.5).fit(x, (x.ravel() > 20).astype(int))
    mlflow.sklearn.autolog(disable=True)
    found = client.get_run(run.info.run_id)
    assert found.data.params["C"] == "0.5", found.data.params
    assert found.data.metrics["training_accuracy_score"] > 0.9, found.data.metrics
    assert found.data.tags["estimator_name"] == "LogisticRegression"


for scenario in [experiments, runs, batches, datasets, autolog]:
    scenario()
    print(f"passed {scenario.__name__} with {mlflow.__version__}", flush=True)
