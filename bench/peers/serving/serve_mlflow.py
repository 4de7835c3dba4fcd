"""`mlflow models serve` with the model saved in the onnx flavour, one worker."""

import os
import sys
from pathlib import Path

import mlflow.onnx
import numpy
import onnx
from forest import FEATURES, INPUT, OUTPUT, arguments
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

model, port, folder = arguments()
saved = str(Path(folder) / "model")
matrix = numpy.dtype(numpy.float32)
signature = ModelSignature(
    inputs=Schema([TensorSpec(matrix, (-1, FEATURES), INPUT)]),
    outputs=Schema([TensorSpec(matrix, (-1, 1), OUTPUT)]),
)
mlflow.onnx.save_model(
    onnx.load(model),
    saved,
    signature=signature,
    pip_requirements=["onnxruntime"],
    onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
)
# The server is started by the name uvicorn.
environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
command = str(Path(sys.executable).parent / "mlflow")
options = ["models", "serve", "--model-uri", saved, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
os.execve(command, [command, *options, "--env-manager", "local"], environment)
