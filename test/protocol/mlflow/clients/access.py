"""Who may do what through MLflow's own client, which is told credentials by its environment alone."""

import os
import sys
import tempfile
import time

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

uri, scene, name = sys.argv[1:4]
mlflow.set_tracking_uri(uri)
client = MlflowClient()
# A refusal that the client would repeat takes it minutes.
AT_ONCE_S = 20


def refused(call, status, code=None):
    started = time.monotonic()
    try:
        call()
    except MlflowException as error:
        found = getattr(error, "get_http_status_code", lambda: None)()
        assert status in (found, None) or str(status) in str(error), f"{found} {error}"
        assert code is None or error.error_code == code, f"{error.error_code} {error}"
        assert time.monotonic() - started < AT_ONCE_S, "was repeated"
        return
    raise AssertionError("was not refused")


def works():
    """Everything that an editor does, in the project of the environment."""
    experiment = client.create_experiment(name)
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "loss", 0.5)
    client.log_param(run.info.run_id, "depth", 3)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("a model")
        client.log_artifact(run.info.run_id, path, "model")
    assert [file.path for file in client.list_artifacts(run.info.run_id, "model")] == ["model/model.txt"]
    client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
    client.set_registered_model_alias(name, "best", version.version)
    assert client.get_model_version_by_alias(name, "best").version == version.version
    print(f"made {experiment} {run.info.run_id}")


def reads():
    """Sees what others made, and changes nothing of it."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["loss"] == 0.5
    assert [model.name for model in client.search_registered_models(f"name = '{name}'")] == [name]
    run_id = run.info.run_id
    refused(lambda: client.create_experiment(f"{name}-mine"), 403, "PERMISSION_DENIED")
    refused(lambda: client.log_metric(run_id, "loss", 9.0), 403, "PERMISSION_DENIED")
    refused(lambda: client.delete_run(run_id), 403, "PERMISSION_DENIED")
    refused(lambda: client.set_registered_model_alias(name, "best", "1"), 403, "PERMISSION_DENIED")
    refused(lambda: client.delete_registered_model(name), 403, "PERMISSION_DENIED")
    assert client.get_run(run_id).data.metrics["loss"] == 0.5


def unknown():
    """Nobody known: the client hears it at once, whatever it asks."""
    refused(lambda: client.search_experiments(), 401)
    refused(lambda: client.create_experiment(name), 401)
    refused(lambda: client.search_registered_models(), 401)


def outside():
    """Somebody without anything in the project of the environment."""
    refused(lambda: client.search_experiments(), 403, "PERMISSION_DENIED")
    refused(lambda: client.create_experiment(f"{name}-mine"), 403, "PERMISSION_DENIED")


def elsewhere():
    """Works in the project of the environment, where the objects of another one are not there."""
    run_id = sys.argv[4]
    assert client.get_experiment_by_name(name) is None
    refused(lambda: client.get_run(run_id), 404, "RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.log_metric(run_id, "loss", 9.0), 404, "RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.get_registered_model(name), 404, "RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.list_artifacts(run_id), 404, "RESOURCE_DOES_NOT_EXIST")
    works()


{"works": works, "reads": reads, "unknown": unknown, "outside": outside, "elsewhere": elsewhere}[scene]()
print(f"passed {scene} with {mlflow.__version__}")
