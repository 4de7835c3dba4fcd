"""Writes a model repository: small ONNX models of every datatype, of several inputs and outputs, of fixed shapes."""

import os
import sys

import onnx
from onnx import TensorProto as T
from onnx import helper

root = sys.argv[1]
DATATYPES = {
    "BOOL": T.BOOL,
    "UINT8": T.UINT8,
    "UINT16": T.UINT16,
    "UINT32": T.UINT32,
    "UINT64": T.UINT64,
    "INT8": T.INT8,
    "INT16": T.INT16,
    "INT32": T.INT32,
    "INT64": T.INT64,
    "FP16": T.FLOAT16,
    "BF16": T.BFLOAT16,
    "FP32": T.FLOAT,
    "FP64": T.DOUBLE,
    "BYTES": T.STRING,
}


def tensor(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


def save(name, nodes, inputs, outputs, version=1, constants=(), config=None):
    graph = helper.make_graph(list(nodes), name, inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    folder = os.path.join(root, name, str(version))
    os.makedirs(folder, exist_ok=True)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    if config:
        with open(os.path.join(root, name, "config.pbtxt"), "w", encoding="utf-8") as file:
            file.write(config)


node = helper.make_node

# The sum and the difference of two tensors, which Triton's own examples call.
for name, element in {"simple": T.INT32, "simple_int8": T.INT8}.items():
    add, sub = ("Add", "Sub")
    if name == "simple_int8":
        # ONNX Runtime adds no bytes: they are added as 32-bit numbers.
        nodes = [
            node("Cast", ["INPUT0"], ["a"], to=T.INT32),
            node("Cast", ["INPUT1"], ["b"], to=T.INT32),
            node(add, ["a", "b"], ["sum"]),
            node(sub, ["a", "b"], ["difference"]),
            node("Cast", ["sum"], ["OUTPUT0"], to=T.INT8),
            node("Cast", ["difference"], ["OUTPUT1"], to=T.INT8),
        ]
    else:
        nodes = [node(add, ["INPUT0", "INPUT1"], ["OUTPUT0"]), node(sub, ["INPUT0", "INPUT1"], ["OUTPUT1"])]
    save(
        name,
        nodes,
        [tensor("INPUT0", element, ["batch", 16]), tensor("INPUT1", element, ["batch", 16])],
        [tensor("OUTPUT0", element, ["batch", 16]), tensor("OUTPUT1", element, ["batch", 16])],
        config=f'name: "{name}"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8  # rows\n',
    )

# What comes in goes out, of every datatype.
for datatype, element in DATATYPES.items():
    name = f"same_{datatype.lower()}"
    save(
        name,
        [node("Identity", ["x"], ["y"])],
        [tensor("x", element, ["batch", "width"])],
        [tensor("y", element, ["batch", "width"])],
    )

# Texts that stand for numbers, added: texts to numbers and back.
save(
    "simple_string",
    [
        node("Cast", ["INPUT0"], ["a"], to=T.INT32),
        node("Cast", ["INPUT1"], ["b"], to=T.INT32),
        node("Add", ["a", "b"], ["sum"]),
        node("Sub", ["a", "b"], ["difference"]),
        node("Cast", ["sum"], ["OUTPUT0"], to=T.STRING),
        node("Cast", ["difference"], ["OUTPUT1"], to=T.STRING),
    ],
    [tensor("INPUT0", T.STRING, ["batch", 16]), tensor("INPUT1", T.STRING, ["batch", 16])],
    [tensor("OUTPUT0", T.STRING, ["batch", 16]), tensor("OUTPUT1", T.STRING, ["batch", 16])],
)

# Three inputs of three datatypes and three outputs of three datatypes.
save(
    "mixed",
    [
        node("Cast", ["count"], ["count_fp32"], to=T.FLOAT),
        node("Mul", ["price", "count_fp32"], ["total"]),
        node("Greater", ["total", "limit"], ["over"]),
        node("ArgMax", ["total"], ["dearest"], axis=1, keepdims=1),
    ],
    [
        tensor("price", T.FLOAT, ["batch", 3]),
        tensor("count", T.INT64, ["batch", 3]),
        tensor("limit", T.FLOAT, ["batch", 1]),
    ],
    [
        tensor("total", T.FLOAT, ["batch", 3]),
        tensor("over", T.BOOL, ["batch", 3]),
        tensor("dearest", T.INT64, ["batch", 1]),
    ],
)

# A matrix of fixed shape, which has no batch.
save(
    "transpose",
    [node("Transpose", ["m"], ["t"], perm=[1, 0])],
    [tensor("m", T.DOUBLE, [2, 3])],
    [tensor("t", T.DOUBLE, [3, 2])],
)

# One dimension of any size, so that a raw body says its shape.
save(
    "negate",
    [node("Neg", ["x"], ["y"])],
    [tensor("x", T.FLOAT, ["batch"])],
    [tensor("y", T.FLOAT, ["batch"])],
)

# Probabilities of named classes.
save(
    "colours",
    [node("Softmax", ["x"], ["p"], axis=1)],
    [tensor("x", T.FLOAT, ["batch", 4])],
    [tensor("p", T.FLOAT, ["batch", 4])],
    config="""
        name: "colours"
        output [ { name: "p" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" } ]
    """,
)
with open(os.path.join(root, "colours", "labels.txt"), "w", encoding="utf-8") as file:
    file.write("red\ngreen\nblue\nyellow\n")

# Two versions, both served.
for version in (1, 2):
    save(
        "versions",
        [node("Mul", ["x", "factor"], ["y"])],
        [tensor("x", T.FLOAT, ["batch", 1])],
        [tensor("y", T.FLOAT, ["batch", 1])],
        version=version,
        constants=[helper.make_tensor("factor", T.FLOAT, [1], [10.0 * version])],
        config='name: "versions" version_policy: { all { } }',
    )

# A table of three rows: any other number makes the run fail.
save(
    "brittle",
    [node("Gather", ["table", "x"], ["y"], axis=0)],
    [tensor("x", T.INT64, ["batch"])],
    [tensor("y", T.FLOAT, ["batch"])],
    constants=[helper.make_tensor("table", T.FLOAT, [3], [0.0, 1.0, 2.0])],
)

os.makedirs(os.path.join(root, "damaged", "1"), exist_ok=True)
with open(os.path.join(root, "damaged", "1", "model.onnx"), "w", encoding="utf-8") as file:
    file.write("this is no model")

# One whose requests wait: longer than any test takes, unless the two rows of a run are there or they ask for less.
save(
    "queued",
    [node("Neg", ["x"], ["y"])],
    [tensor("x", T.FLOAT, ["n", 1])],
    [tensor("y", T.FLOAT, ["n", 1])],
    config="""max_batch_size: 2
dynamic_batching {
  max_queue_delay_microseconds: 29000000
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy { allow_timeout_override: true }
}
""",
)
