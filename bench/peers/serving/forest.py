"""What every server here does with the model: one ONNX Runtime session of one thread."""

import sys

import numpy
import onnxruntime

# Tensor names of the file that bench/gateway/peers.ts writes.
INPUT = "features"
OUTPUT = "probability"
FEATURES = 30
# The name under which each server serves the model.
NAME = "bench"


def arguments():
    """MODEL PORT FOLDER: the ONNX file, the port of 127.0.0.1 to listen on, and a folder for what the server writes."""
    if len(sys.argv) != 4:
        raise SystemExit(f"usage: {sys.argv[0]} <model.onnx> <port> <folder>")
    return sys.argv[1], int(sys.argv[2]), sys.argv[3]


class Forest:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def scores(self, rows):
        """[N, 1] of float32, of rows [N, FEATURES] of float32."""
        return self._session.run([OUTPUT], {INPUT: rows})[0]

    def scores_of_each(self, requests):
        """The scores of several requests' rows, run as one batch."""
        counts = [len(rows) for rows in requests]
        scores = self.scores(numpy.concatenate(requests))
        return numpy.split(scores, numpy.cumsum(counts)[:-1])


def rows_of(body):
    """The tensor of an Open Inference Protocol request."""
    tensor = body["inputs"][0]
    return numpy.asarray(tensor["data"], numpy.float32).reshape(tensor["shape"])


def answer_of(body, scores):
    """An Open Inference Protocol answer."""
    return {
        "model_name": NAME,
        "model_version": "1",
        "id": body.get("id", ""),
        "outputs": [
            {"name": OUTPUT, "datatype": "FP32", "shape": list(scores.shape), "data": scores.ravel().tolist()}
        ],
    }
