"""Learns from a CSV of days whether the next day is rainy, and writes the model as ONNX.

An ordinary script: files and settings come from environment variables, figures go to standard output.
"""

import json
import os
import sys

import numpy as np
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

DAYS_MIN = 200
STAGES = 5


def output(name):
    return os.environ["KEDGE_OUTPUT_" + name.upper().replace(".", "_")]


def write_json(name, value):
    with open(output(name), "w", encoding="utf-8") as file:
        json.dump(value, file)


def read_days(path):
    """The inputs of each day but the last (float32, as they will be served), and whether the day after was rainy."""
    with open(path, encoding="utf-8") as file:
        names = file.readline().strip().split(",")
        days = np.loadtxt(file, delimiter=",", ndmin=2)
    if len(days) < DAYS_MIN:
        print(f"expected at least {DAYS_MIN} days, found {len(days)}", file=sys.stderr)
        sys.exit(3)
    rainy = days[:, names.index("precipitation")] > 0
    return names[1:], days[:-1, 1:].astype(np.float32), rainy[1:].astype(int)


def fit(inputs, labels, rounds):
    """Boosts in stages, so that progress can be told. The result is the same as in one go."""
    model = GradientBoostingClassifier(
        learning_rate=0.05,
        max_depth=3,
        subsample=0.5,
        warm_start=True,
        random_state=int(os.environ.get("KEDGE_SEED", "0")),
    )
    for stage in range(1, STAGES + 1):
        model.set_params(n_estimators=max(1, rounds * stage // STAGES)).fit(inputs, labels)
        print(f"::kedge:progress {stage}/{STAGES} {model.n_estimators} rounds", flush=True)
    return model


def as_served(model, width):
    """The model as a graph from `features` [N, F] to `probability` [N, 1]: of both classes, only the second is kept."""
    options = {"zipmap": False}
    onnx = to_onnx(model, initial_types=[("features", FloatTensorType([None, width]))], options={id(model): options})
    both = onnx.graph.output[1].name
    onnx.graph.initializer.append(helper.make_tensor("second_class", TensorProto.INT64, [1], [1]))
    onnx.graph.node.append(helper.make_node("Gather", [both, "second_class"], ["probability"], axis=1))
    del onnx.graph.output[:]
    onnx.graph.output.append(helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1]))
    return onnx


def main():
    names, inputs, labels = read_days(os.environ["KEDGE_INPUT_DAYS"])
    earlier = len(labels) * 3 // 4
    model = fit(inputs[:earlier], labels[:earlier], int(os.environ["KEDGE_PARAM_ROUNDS"]))

    scores = model.predict_proba(inputs[earlier:])[:, 1]
    metrics = {
        "auc": float(roc_auc_score(labels[earlier:], scores)),
        "logLoss": float(log_loss(labels[earlier:], scores)),
        "baseRate": float(labels[earlier:].mean()),
    }
    print(f"::kedge:metric auc {metrics['auc']:.6f}")
    print(f"{earlier} days learned from, {len(scores)} later ones judged: AUC {metrics['auc']:.3f}")

    with open(output("model.onnx"), "wb") as file:
        file.write(as_served(model, len(names)).SerializeToString())
    write_json("signature.json", {"inputs": [{"name": n, "kind": "numeric"} for n in names], "output": "probability"})
    write_json("evaluation.json", {"metrics": metrics, "rows": len(scores)})
    table = np.column_stack([inputs[earlier:], scores])
    np.savetxt(output("scores.csv"), table, fmt="%.9g", delimiter=",", header=",".join([*names, "score"]), comments="")


if __name__ == "__main__":
    main()
