"""A model as its maker makes and promotes it: MLflow's own client, told nothing but the address and a token.

    python model.py train      logs and registers a version of the model biopsies
    python model.py promote    moves the newest version to Production, and the alias champion to it
"""

import sys

import mlflow
import sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODEL = "biopsies"


def train():
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=7, stratify=y)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(x_train, y_train)
    auc = roc_auc_score(y_test, model.predict_proba(x_test)[:, 1])
    with mlflow.start_run():
        mlflow.log_metric("auc", auc)
        # What lies at kedge-evidence/<kind>.json in the run becomes evidence of the version.
        found = {"passed": True, "summary": f"{len(y_test)} biopsies held out, none of them in training"}
        mlflow.log_dict(found, "kedge-evidence/validation.json")
        mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=x_test[:2],
            registered_model_name=MODEL,
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            serialization_format="cloudpickle",
        )
    print(f"registered {MODEL} with an AUC of {auc:.3f}")


def promote():
    client = MlflowClient()
    newest = max(int(version.version) for version in client.search_model_versions(f"name = '{MODEL}'"))
    try:
        client.transition_model_version_stage(MODEL, str(newest), "Production")
        client.set_registered_model_alias(MODEL, "champion", str(newest))
    except MlflowException as refusal:
        sys.exit(str(refusal))
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    print(f"{MODEL} version {newest} is champion, and its file loads: {type(model).__name__}")


{"train": train, "promote": promote}[sys.argv[1]]()
