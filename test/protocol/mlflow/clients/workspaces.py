"""Workspaces through MLflow's own client: made, listed, worked in apart from each other, described and deleted."""

import sys

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()


def refused(call, code):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, f"{error.error_code} {error}"
    else:
        raise AssertionError("was not refused")


assert [w.name for w in mlflow.list_workspaces()] == ["default"]
made = mlflow.create_workspace("risk", description="credit models")
assert (made.name, made.description) == ("risk", "credit models"), made
refused(lambda: mlflow.create_workspace("risk"), "RESOURCE_ALREADY_EXISTS")
refused(lambda: mlflow.get_workspace("nowhere"), "RESOURCE_DOES_NOT_EXIST")
assert sorted(w.name for w in mlflow.list_workspaces()) == ["default", "risk"]
assert mlflow.update_workspace("risk", description="all models").description == "all models"
assert mlflow.get_workspace("risk").description == "all models"

here = mlflow.set_experiment("scores")
with mlflow.start_run() as run:
    mlflow.log_metric("auc", 0.5)
mlflow.set_workspace("risk")
assert MlflowClient().get_experiment_by_name("scores") is None, "a name is taken in its own workspace only"
there = mlflow.set_experiment("scores")
assert there.experiment_id != here.experiment_id
with mlflow.start_run() as other:
    mlflow.log_metric("auc", 0.75)
    mlflow.log_text("notes", "notes.txt")
assert mlflow.artifacts.load_text(f"runs:/{other.info.run_id}/notes.txt") == "notes"
refused(lambda: MlflowClient().get_run(run.info.run_id), "RESOURCE_DOES_NOT_EXIST")
refused(lambda: MlflowClient().log_metric(run.info.run_id, "auc", 1), "RESOURCE_DOES_NOT_EXIST")
assert list(mlflow.search_runs()["metrics.auc"]) == [0.75]
mlflow.set_workspace("default")
assert list(mlflow.search_runs(experiment_names=["scores"])["metrics.auc"]) == [0.5]
refused(lambda: MlflowClient().get_run(other.info.run_id), "RESOURCE_DOES_NOT_EXIST")
mlflow.delete_workspace("risk")
assert [w.name for w in mlflow.list_workspaces()] == ["default"]
print(f"passed workspaces with {mlflow.__version__}")
