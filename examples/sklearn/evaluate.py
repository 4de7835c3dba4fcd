"""Scores the model on the quarter that it was not fitted on, and logs the figures to the run of the training."""

import json
import os

import joblib
import mlflow
import pandas as pd
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

patients = pd.read_csv(os.environ["KEDGE_INPUT_PATIENTS"])
_, held_out = train_test_split(patients, test_size=0.25, random_state=int(os.environ["KEDGE_SEED"]))
model = joblib.load(os.environ["KEDGE_INPUT_MODEL"])
predicted = model.predict(held_out.drop(columns="target"))
figures = {
    "r2": float(r2_score(held_out["target"], predicted)),
    "mae": float(mean_absolute_error(held_out["target"], predicted)),
}
with open(os.environ["KEDGE_INPUT_RUN"], encoding="utf-8") as file:
    run_id = json.load(file)["run_id"]
with mlflow.start_run(run_id=run_id):
    mlflow.log_metrics(figures)
for name, value in figures.items():
    print(f"::kedge:metric {name} {value:.4f}", flush=True)
for path in (os.environ["KEDGE_OUTPUT_EVALUATION_JSON"], os.environ["KEDGE_RESULT"]):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(figures, file)
