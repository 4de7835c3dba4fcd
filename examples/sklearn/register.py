"""Registers the model of the training run. Kedge skips this step when the evaluation is too poor."""

import json
import os

import mlflow

with open(os.environ["KEDGE_INPUT_RUN"], encoding="utf-8") as file:
    run_id = json.load(file)["run_id"]
version = mlflow.register_model(f"runs:/{run_id}/model", "progression")
with open(os.environ["KEDGE_RESULT"], "w", encoding="utf-8") as file:
    json.dump({"model": version.name, "version": int(version.version)}, file)
print(f"registered {version.name} {version.version}")
