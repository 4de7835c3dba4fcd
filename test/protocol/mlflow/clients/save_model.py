"""Saves a scikit-learn model of two columns as an MLflow model with its signature: y = 2a + b."""

import sys

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

rows = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
target = 2 * rows["a"] + rows["b"]
model = LinearRegression().fit(rows, target)
mlflow.sklearn.save_model(model, sys.argv[1], signature=infer_signature(rows, model.predict(rows)))
print("passed saved")
