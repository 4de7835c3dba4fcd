"""Logged models and files through MLflow's own client. Registering them is another matter."""

import os
import sys
import tempfile

import mlflow
import numpy
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
major = int(mlflow.__version__.split(".")[0])
x = numpy.arange(40).reshape(-1, 1)
model = LogisticRegression().fit(x, (x.ravel() > 20).astype(int))


def files():
    mlflow.set_experiment("files")
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/plots/deep")
        for name, text in {"notes.txt": "hello", "plots/a.svg": "<svg/>", "plots/deep/ü b.txt": "x" * 100_000}.items():
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)
        mlflow.log_artifacts(folder)
        mlflow.log_text("late", "more/late.txt")
        mlflow.log_dict({"a": 1}, "more/a.json")
    top = {file.path: file.is_dir for file in client.list_artifacts(run.info.run_id)}
    assert top == {"more": True, "notes.txt": False, "plots": True}, top
    assert [f.path for f in client.list_artifacts(run.info.run_id, "plots/deep")] == ["plots/deep/ü b.txt"]
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run.info.run_id, "plots", folder)
        assert os.path.getsize(f"{path}/deep/ü b.txt") == 100_000
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/more/late.txt") == "late"


def models():
    mlflow.set_experiment("models")
    with mlflow.start_run() as run:
        if major >= 3:
            info = mlflow.sklearn.log_model(model, name="classifier", params={"depth": 2}, input_example=x[:2])
        else:
            info = mlflow.sklearn.log_model(model, "classifier", input_example=x[:2])
        mlflow.log_metric("auc", 0.9, **({"model_id": info.model_id} if major >= 3 else {}))
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    assert list(loaded.predict(x[:3])) == [0, 0, 0]
    assert list(mlflow.sklearn.load_model(info.model_uri).predict(x[-2:])) == [1, 1]
    if major < 3:
        assert "mlflow.log-model.history" in client.get_run(run.info.run_id).data.tags
        return
    logged = mlflow.get_logged_model(info.model_id)
    assert logged.status == "READY" and logged.name == "classifier" and logged.params == {"depth": "2"}, logged
    assert logged.source_run_id == run.info.run_id and logged.metrics[0].value == 0.9
    outputs = client.get_run(run.info.run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [info.model_id]
    mlflow.set_logged_model_tags(info.model_id, {"tier": "gold"})
    assert mlflow.get_logged_model(info.model_id).tags["tier"] == "gold"
    experiment = logged.experiment_id
    other = mlflow.initialize_logged_model(name="other", experiment_id=experiment)
    mlflow.log_model_params({f"p{i}": "1" for i in range(120)}, model_id=other.model_id)
    assert len(mlflow.get_logged_model(other.model_id).params) == 120
    mlflow.finalize_logged_model(other.model_id, "FAILED")

    def find(text, **options):
        return [m.name for m in mlflow.search_logged_models([experiment], text, output_format="list", **options)]

    assert find("metrics.auc > 0.5") == ["classifier"]
    assert find("tags.tier = 'gold' AND params.depth = '2'") == ["classifier"]
    assert find("name LIKE 'oth%'") == ["other"]
    assert find(f"source_run_id = '{run.info.run_id}'") == ["classifier"]
    best_first = [{"field_name": "metrics.auc", "ascending": False}]
    assert find("creation_timestamp > 0", order_by=best_first)[0] == "classifier"
    assert find("creation_time > 0", order_by=[{"field_name": "name"}]) == ["classifier", "other"]
    mlflow.delete_logged_model_tag(info.model_id, "tier")
    assert "tier" not in mlflow.get_logged_model(info.model_id).tags
    client.delete_logged_model(other.model_id)
    assert find("") == ["classifier"]


def autologged():
    mlflow.set_experiment("autologged")
    mlflow.sklearn.autolog()
    with mlflow.start_run() as run:
        LogisticRegression().fit(x, (x.ravel() > 20).astype(int))
    mlflow.sklearn.autolog(disable=True)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert list(loaded.predict(x[-2:])) == [1, 1]
    found = client.get_run(run.info.run_id)
    assert found.data.metrics["training_accuracy_score"] > 0.9, found.data.metrics
    assert "estimator.html" in [file.path for file in client.list_artifacts(run.info.run_id)]
    assert found.inputs.dataset_inputs, "autolog says what the model was trained on"


for scenario in [files, models, autologged]:
    scenario()
    print(f"passed {scenario.__name__} with {mlflow.__version__}", flush=True)
