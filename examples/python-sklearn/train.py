"""Learns to tell malignant from benign tumours, and writes the model as ONNX with its signature and evaluation.

An ordinary script: settings and paths come from environment variables, progress goes to standard output. The data are
the 569 biopsies of the Wisconsin diagnostic breast cancer set, which scikit-learn brings with it.
"""

import json
import math
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

INVALID_PARAMETER = 3
STAGES = 3


def progress(stage, text):
    print(f"::kedge:progress {stage}/{STAGES} {text}", flush=True)


def output(name):
    return os.environ["KEDGE_OUTPUT_" + name.upper().replace(".", "_").replace("-", "_")]


def write_json(name, value):
    with open(output(name), "w", encoding="utf-8") as file:
        json.dump(value, file)


def inverse_penalty():
    text = os.environ["KEDGE_PARAM_INVERSE_PENALTY"]
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        print(f"inverse_penalty: expected a number above 0, found {text}", file=sys.stderr)
        sys.exit(INVALID_PARAMETER)
    return value


def read_data():
    """Names, inputs (32-bit floats, as they will be served), and 1 where the tumour was malignant."""
    data = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    malignant = (data.target == list(data.target_names).index("malignant")).astype(int)
    return names, data.data.astype(np.float32), malignant


def as_served(model, width):
    """The model as a graph from `features` [N, F] to `probability` [N, 1]: of both classes, only the second is kept."""
    graph = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, width]))],
        options={id(model): {"zipmap": False}},
    )
    both = graph.graph.output[1].name
    graph.graph.initializer.append(helper.make_tensor("second_class", TensorProto.INT64, [1], [1]))
    graph.graph.node.append(helper.make_node("Gather", [both, "second_class"], ["probability"], axis=1))
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1]))
    onnx.checker.check_model(graph)
    return graph


def main():
    penalty = inverse_penalty()
    seed = int(os.environ["KEDGE_SEED"])

    progress(1, "training")
    names, inputs, malignant = read_data()
    x, held_out, y, truth = train_test_split(inputs, malignant, test_size=0.25, stratify=malignant, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000)).fit(x, y)

    progress(2, "evaluation")
    probabilities = model.predict_proba(held_out)[:, 1]
    metrics = {
        "auc": float(roc_auc_score(truth, probabilities)),
        "logLoss": float(log_loss(truth, probabilities)),
        "baseRate": float(truth.mean()),
    }
    print(f"::kedge:metric auc {metrics['auc']:.6f}", flush=True)
    print(f"{len(y)} biopsies learned from, {len(truth)} held out: AUC {metrics['auc']:.4f}", flush=True)

    progress(3, "writing")
    with open(output("model.onnx"), "wb") as file:
        file.write(as_served(model, len(names)).SerializeToString())
    write_json("signature.json", {"inputs": [{"name": n, "kind": "numeric"} for n in names], "output": "probability"})
    write_json("evaluation.json", {"metrics": metrics, "rows": len(truth)})
    rows = [dict(zip(names, row, strict=True)) for row in held_out.tolist()]
    write_json("held-out.json", [{"inputs": r, "probability": p} for r, p in zip(rows, probabilities.tolist())])


if __name__ == "__main__":
    main()
