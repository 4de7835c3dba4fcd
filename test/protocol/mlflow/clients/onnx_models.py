"""Logs ONNX models of any tensors with MLflow's unmodified client, registers them, and asks a gateway for them."""

import json
import sys
import urllib.request

import mlflow
import numpy as np
import onnx
import onnxruntime
from mlflow.models import infer_signature
from onnx import TensorProto, helper, numpy_helper

tracking, gateway = sys.argv[1:3]
mlflow.set_tracking_uri(tracking)
mlflow.set_experiment("onnx")


def graph(nodes, inputs, outputs, weights=()):
    def info(values):
        return [helper.make_tensor_value_info(*value) for value in values]

    built = helper.make_graph(nodes, "g", info(inputs), info(outputs), list(weights))
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{gateway}{path}", data=data, timeout=120) as response:
        return json.load(response)


def register(name, model, example):
    answers = onnxruntime.InferenceSession(model.SerializeToString()).run(None, example)
    names = [output.name for output in model.graph.output]
    outputs = dict(zip(names, answers))
    signature = infer_signature(example, outputs)
    with mlflow.start_run():
        # Without requirements the client starts a Python for each model, to see what loading it imports.
        needed = [f"onnx=={onnx.__version__}", f"onnxruntime=={onnxruntime.__version__}"]
        info = mlflow.onnx.log_model(
            model, name="model", signature=signature, registered_model_name=name, pip_requirements=needed
        )
    return info.registered_model_version, outputs


def infer(name, version, tensors):
    datatypes = {"float32": "FP32", "int64": "INT64", "object": "BYTES"}
    inputs = [
        {"name": key, "shape": list(value.shape), "datatype": datatypes[str(value.dtype)], "data": value.tolist()}
        for key, value in tensors.items()
    ]
    answer = call(f"/v2/models/{name}/versions/{version}/infer", {"inputs": inputs})
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer["outputs"]}


def several_inputs_and_outputs():
    model = graph(
        [
            helper.make_node("Cast", ["count"], ["times"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["price", "times"], ["total"]),
            helper.make_node("Greater", ["total", "limit"], ["over"]),
        ],
        [
            ("price", TensorProto.FLOAT, ["batch", 2]),
            ("count", TensorProto.INT64, ["batch", 2]),
            ("limit", TensorProto.FLOAT, ["batch", 1]),
        ],
        [("total", TensorProto.FLOAT, ["batch", 2]), ("over", TensorProto.BOOL, ["batch", 2])],
    )
    example = {
        "price": np.array([[1.5, 2.0]], dtype=np.float32),
        "count": np.array([[2, 3]], dtype=np.int64),
        "limit": np.array([[4.0]], dtype=np.float32),
    }
    version, expected = register("bill", model, example)
    metadata = call(f"/v2/models/bill/versions/{version}")
    assert [tensor["datatype"] for tensor in metadata["inputs"]] == ["FP32", "INT64", "FP32"], metadata
    assert [tensor["shape"] for tensor in metadata["outputs"]] == [[-1, 2], [-1, 2]], metadata
    answers = infer("bill", version, example)
    for name, values in expected.items():
        np.testing.assert_array_equal(answers[name], values)


def images_with_weights_in_a_file_of_their_own():
    kernel = np.random.default_rng(7).normal(size=(8, 3, 5, 5)).astype(np.float32)
    model = graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["features"]),
            helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        [("image", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [("scores", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    example = {"image": np.random.default_rng(8).normal(size=(2, 3, 16, 16)).astype(np.float32)}
    version, expected = register("pictures", onnx.load_from_string(model.SerializeToString()), example)
    answers = infer("pictures", version, example)
    np.testing.assert_allclose(answers["scores"], expected["scores"], rtol=1e-4, atol=1e-5)


def texts():
    model = graph(
        [helper.make_node("Identity", ["words"], ["same"])],
        [("words", TensorProto.STRING, ["batch", 1])],
        [("same", TensorProto.STRING, ["batch", 1])],
    )
    example = {"words": np.array([["late"], ["ü€"]], dtype=object)}
    version, expected = register("words", model, example)
    np.testing.assert_array_equal(infer("words", version, example)["same"], expected["same"])


for check in (several_inputs_and_outputs, images_with_weights_in_a_file_of_their_own, texts):
    check()
    print("passed", check.__name__)
