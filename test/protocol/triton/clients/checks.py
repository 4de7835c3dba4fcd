"""What the programs of this folder share: the values that they send, and the report of what they checked."""

import os
import time
import urllib.request

import ml_dtypes
import numpy as np
import onnxruntime

ones = np.ones((1, 16), dtype=np.int32)
numbers = np.arange(16, dtype=np.int32).reshape(1, 16)

NUMPY = {
    "BOOL": np.array([[True, False, True]]),
    "UINT8": np.array([[0, 7, 255]], dtype=np.uint8),
    "UINT16": np.array([[0, 7, 65535]], dtype=np.uint16),
    "UINT32": np.array([[0, 7, 2**32 - 1]], dtype=np.uint32),
    "UINT64": np.array([[0, 7, 2**64 - 1]], dtype=np.uint64),
    "INT8": np.array([[-128, 7, 127]], dtype=np.int8),
    "INT16": np.array([[-32768, 7, 32767]], dtype=np.int16),
    "INT32": np.array([[-(2**31), 7, 2**31 - 1]], dtype=np.int32),
    "INT64": np.array([[-(2**63), 7, 2**63 - 1]], dtype=np.int64),
    "FP16": np.array([[-1.5, 0.25, 65504.0]], dtype=np.float16),
    "BF16": np.array([[-1.5, 0.25, 2.0**100]], dtype=ml_dtypes.bfloat16),
    "FP32": np.array([[-1.5, 0.1, 3.4e38]], dtype=np.float32),
    "FP64": np.array([[-1.5, 0.1, 1e300]], dtype=np.float64),
    "BYTES": np.array([["", "plain", "Grüße, 世界"]], dtype=object),
}
def same(found, expected, what):
    if expected.dtype == object:
        texts = [text.decode() if isinstance(text, bytes) else text for text in found.flatten()]
        assert texts == list(expected.flatten()), f"{what}: {texts}"
        return
    assert found.dtype == expected.dtype, f"{what}: {found.dtype} for {expected.dtype}"
    assert found.shape == expected.shape, f"{what}: {found.shape} for {expected.shape}"
    assert np.array_equal(found, expected), f"{what}: {found} for {expected}"


def oracle(repository, model, feeds):
    """What ONNX Runtime itself answers."""
    path = os.path.join(repository, model, "1", "model.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))


def mixed():
    return {
        "price": np.array([[1.5, 2.25, 100.0], [3.0, 0.1, 0.2]], dtype=np.float32),
        "count": np.array([[2, 4, 1], [10, 20, 30]], dtype=np.int64),
        "limit": np.array([[10.0], [2.5]], dtype=np.float32),
    }


DATATYPE = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64", np.dtype(np.int32): "INT32"}


def until_metric(url, line):
    """Returns when the metrics of the gateway have this line."""
    while True:
        with urllib.request.urlopen(f"{url}/metrics") as response:
            if line in response.read().decode().splitlines():
                return
        time.sleep(0.01)


def pending(url, count):
    """Returns when so many requests wait for the model `queued`."""
    until_metric(url, f'nv_inference_pending_request_count{{model="queued",version="1"}} {count}')


def run(scenes):
    for scene in scenes:
        scene()
        print(f"passed {scene.__name__}", flush=True)
