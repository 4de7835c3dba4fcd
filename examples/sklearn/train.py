"""Fits a ridge regression and logs it to MLflow, where the environment variables of the step say that it is."""

import json
import os

import joblib
import mlflow
import pandas as pd
import sklearn
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

alpha = float(os.environ["KEDGE_PARAM_ALPHA"])
seed = int(os.environ["KEDGE_SEED"])
patients = pd.read_csv(os.environ["KEDGE_INPUT_PATIENTS"])
learned, _ = train_test_split(patients, test_size=0.25, random_state=seed)
model = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(learned.drop(columns="target"), learned["target"])

with mlflow.start_run() as run:
    mlflow.log_params({"alpha": alpha, "seed": seed, "rows": len(learned)})
    mlflow.sklearn.log_model(model, name="model", pip_requirements=[f"scikit-learn=={sklearn.__version__}"])

joblib.dump(model, os.environ["KEDGE_OUTPUT_MODEL"])
with open(os.environ["KEDGE_OUTPUT_RUN_JSON"], "w", encoding="utf-8") as file:
    json.dump({"run_id": run.info.run_id}, file)
print(f"::kedge:metric coefficient_norm {abs(model[-1].coef_).sum():.3f}", flush=True)
