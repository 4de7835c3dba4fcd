"""Triton's own HTTP client, unmodified: blocking, in the background, and with asyncio."""

import asyncio
import sys
import threading

import checks
import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from checks import numbers, ones, same
from tritonclient.utils import InferenceServerException

address, repository = sys.argv[1:3]
client = triton.InferenceServerClient(address, concurrency=4)


def tensor(name, values, datatype, binary=True):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def simple_inputs(binary=True):
    return [tensor("INPUT0", numbers, "INT32", binary), tensor("INPUT1", ones, "INT32", binary)]


def check_simple(result):
    same(result.as_numpy("OUTPUT0"), numbers + ones, "OUTPUT0")
    same(result.as_numpy("OUTPUT1"), numbers - ones, "OUTPUT1")


def refused(call, status, words):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == str(status), f"{error.status()} {error.message()}"
        assert words in error.message(), error.message()
        return
    raise AssertionError(f"was not refused with {status}")


def health_and_metadata():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("simple") and client.is_model_ready("versions", "2")
    assert not client.is_model_ready("damaged") and not client.is_model_ready("wrong_model_name")
    assert client.get_server_metadata()["name"] == "triton"
    metadata = client.get_model_metadata("simple")
    assert metadata["name"] == "simple" and metadata["versions"] == ["1"], metadata
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}, metadata
    config = client.get_model_config("simple")
    assert config["max_batch_size"] == 8 and config["input"][0]["data_type"] == "TYPE_INT32", config
    assert config["input"][0]["dims"] == [16], config
    refused(lambda: client.get_model_metadata("wrong_model_name"), 404, "Request for unknown model")


def infer():
    for binary in (True, False):
        outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("OUTPUT0", "OUTPUT1")]
        check_simple(client.infer("simple", simple_inputs(binary), outputs=outputs, request_id="7"))
    # Without outputs the client asks for all of them as bytes.
    result = client.infer("simple", simple_inputs(), request_id="8")
    check_simple(result)
    assert result.get_response()["id"] == "8"
    only = client.infer("simple", simple_inputs(), outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert only.as_numpy("OUTPUT0") is None
    same(only.as_numpy("OUTPUT1"), numbers - ones, "OUTPUT1")


def compressed():
    big = np.tile(numbers, (8, 1))
    for algorithm in ("gzip", "deflate"):
        inputs = [tensor("INPUT0", big, "INT32"), tensor("INPUT1", big, "INT32")]
        result = client.infer(
            "simple",
            inputs,
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        same(result.as_numpy("OUTPUT0"), big + big, algorithm)


def in_background():
    calls = [client.async_infer("simple", simple_inputs(), request_id=str(i)) for i in range(20)]
    for call in calls:
        check_simple(call.get_result())


def with_asyncio():
    async def play():
        async with triton_aio.InferenceServerClient(address) as aio:
            assert await aio.is_server_live() and await aio.is_model_ready("simple")
            results = await asyncio.gather(*[aio.infer("simple", simple_inputs()) for _ in range(20)])
            for result in results:
                check_simple(result)
            statistics = await aio.get_inference_statistics("simple")
            assert statistics["model_stats"][0]["inference_count"] > 0, statistics

    asyncio.run(play())


def every_datatype():
    for datatype, values in checks.NUMPY.items():
        name = f"same_{datatype.lower()}"
        found = client.infer(name, [tensor("x", values, datatype)]).as_numpy("y")
        same(found, values, datatype)
        if datatype in ("FP16", "BF16", "INT64", "UINT64"):
            continue
        as_json = client.infer(
            name, [tensor("x", values, datatype, False)], outputs=[triton.InferRequestedOutput("y", False)]
        )
        found = as_json.as_numpy("y")
        same(found, values, f"{datatype} as JSON")
    assert client.get_model_metadata("same_bf16")["inputs"][0]["datatype"] == "BF16"


def texts():
    inputs = [
        tensor("INPUT0", numbers.astype(str).astype(object), "BYTES"),
        tensor("INPUT1", ones.astype(str).astype(object), "BYTES"),
    ]
    result = client.infer("simple_string", inputs)
    assert [int(text) for text in result.as_numpy("OUTPUT0")[0]] == list((numbers + ones)[0])


def like_onnxruntime():
    feeds = checks.mixed()
    expected = checks.oracle(repository, "mixed", feeds)
    result = client.infer("mixed", [tensor(name, feeds[name], checks.DATATYPE[feeds[name].dtype]) for name in feeds])
    for name, values in expected.items():
        same(result.as_numpy(name), values, name)
    matrix = np.arange(6, dtype=np.float64).reshape(2, 3)
    result = client.infer("transpose", [tensor("m", matrix, "FP64")])
    same(result.as_numpy("t"), checks.oracle(repository, "transpose", {"m": matrix})["t"], "t")


def classes():
    values = np.array([[1.0, 4.0, 2.0, 3.0]], dtype=np.float32)
    outputs = [triton.InferRequestedOutput("p", class_count=2)]
    found = client.infer("colours", [tensor("x", values, "FP32")], outputs=outputs).as_numpy("p")
    labels = [text.decode().split(":")[1:] for text in found.flatten()]
    assert labels == [["1", "green"], ["3", "yellow"]], labels


def versions():
    for version, factor in (("1", 10.0), ("2", 20.0), ("", 20.0)):
        x = np.array([[3.0]], dtype=np.float32)
        result = client.infer("versions", [tensor("x", x, "FP32")], model_version=version)
        assert result.as_numpy("y")[0][0] == 3.0 * factor, version
    assert client.get_model_metadata("versions")["versions"] == ["1", "2"]


def raw_body():
    values = np.array([1.5, -2.0, 3.25], dtype=np.float32)
    response = client._post("v2/models/negate/infer", values.tobytes(), {"Inference-Header-Content-Length": 0}, None)
    assert response.status_code == 200, response.read()
    result = triton.InferResult(response, False)
    same(result.as_numpy("y"), -values, "raw body")


def statistics():
    before = client.get_inference_statistics("mixed", "1")["model_stats"][0]
    feeds = checks.mixed()
    client.infer("mixed", [tensor(name, feeds[name], checks.DATATYPE[feeds[name].dtype]) for name in feeds])
    after = client.get_inference_statistics("mixed", "1")["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 2, after
    assert after["execution_count"] == before["execution_count"] + 1, after
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1, after
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"], after
    names = {entry["name"] for entry in client.get_inference_statistics()["model_stats"]}
    assert "mixed" in names, names


def queue_policy():
    """A request names its priority and how long it may wait, and the model has them in its configuration."""

    def rows(count):
        return [tensor("x", np.arange(1, count + 1, dtype=np.float32).reshape(count, 1), "FP32")]

    answers = {}

    def ask(name, count, priority):
        with triton.InferenceServerClient(address) as own:
            answers[name] = own.infer("queued", rows(count), priority=priority).as_numpy("y")

    url = f"http://{address}"
    refused(lambda: client.infer("queued", rows(1), timeout=1000), 503, "Request timeout expired")
    before = client.get_inference_statistics("queued")["model_stats"][0]
    low = threading.Thread(target=ask, args=("low", 1, 2))
    low.start()
    checks.pending(url, 1)
    # Two rows are a run: of a higher priority they go first, and the other waits on.
    ask("high", 2, 1)
    assert "low" not in answers
    checks.pending(url, 1)
    ask("beside", 1, 0)
    low.join()
    after = client.get_inference_statistics("queued")["model_stats"][0]
    assert after["execution_count"] == before["execution_count"] + 2, after
    assert after["inference_count"] == before["inference_count"] + 4, after
    same(answers["high"], np.array([[-1.0], [-2.0]], dtype=np.float32), "high")
    same(answers["low"], np.array([[-1.0]], dtype=np.float32), "low")
    batching = client.get_model_config("queued")["dynamic_batching"]
    assert batching["priority_levels"] == 2 and batching["max_queue_delay_microseconds"] == 29000000, batching


def repository_control():
    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert index["simple"]["state"] == "READY" and "damaged" in index, index
    client.unload_model("simple_int8")
    assert not client.is_model_ready("simple_int8")
    x = np.ones((1, 16), dtype=np.int8)
    inputs = [tensor("INPUT0", x, "INT8"), tensor("INPUT1", x, "INT8")]
    refused(lambda: client.infer("simple_int8", inputs), 404, "has no available versions")
    client.load_model("simple_int8")
    same(client.infer("simple_int8", inputs).as_numpy("OUTPUT0"), x + x, "loaded again")
    refused(lambda: client.load_model("wrong_model_name"), 400, "failed to load 'wrong_model_name'")
    client.load_model("simple_int8", config='{"max_batch_size": "4"}')
    assert client.get_model_config("simple_int8")["max_batch_size"] == 4
    with open(f"{repository}/negate/1/model.onnx", "rb") as file:
        client.load_model("sent", config="{}", files={"file:1/model.onnx": file.read()})
    values = np.array([2.0], dtype=np.float32)
    same(client.infer("sent", [tensor("x", values, "FP32")]).as_numpy("y"), -values, "sent")
    client.unload_model("sent")


def refusals():
    wrong = tensor("INPUT0", numbers.astype(np.float32), "FP32")
    refused(lambda: client.infer("simple", [wrong, simple_inputs()[1]]), 400, "INPUT0")
    refused(lambda: client.infer("simple", simple_inputs()[:1]), 400, "INPUT1")
    nine = np.tile(numbers, (9, 1))
    too_many = [tensor("INPUT0", nine, "INT32"), tensor("INPUT1", nine, "INT32")]
    refused(lambda: client.infer("simple", too_many), 400, "9 rows")
    refused(lambda: client.infer("wrong_model_name", simple_inputs()), 404, "Request for unknown model")
    missing = np.array([7], dtype=np.int64)
    refused(lambda: client.infer("brittle", [tensor("x", missing, "INT64")]), 500, "brittle")
    refused(client.get_system_shared_memory_status, 501, "")


def endpoint():
    """A tabular endpoint of the control plane, beside the models of the repository."""
    features = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    found = client.infer("delays", [tensor("features", features, "FP32")]).as_numpy("probability")
    expected = 1 / (1 + np.exp(-(features @ np.array([[1.0], [-2.0]]))))
    assert np.allclose(found, expected, atol=1e-6), found
    metadata = client.get_model_metadata("delays")
    assert [each["name"] for each in metadata["inputs"]] == ["a", "b"], metadata



def canary():
    """An endpoint of tensors during a rollout: a customer keeps its arm, which the answer names."""
    features = np.array([[1.0, 0.0]], dtype=np.float32)
    arms = []
    for i in range(60):
        said = {"entities.customer": f"c-{i % 30}"}
        reply = client.infer("scores", [tensor("features", features, "FP32")], parameters=said).get_response()
        arms.append(reply["parameters"]["arm"])
        assert reply["parameters"]["propensity"] == 0.5, reply
        assert reply["model_version"] == ("2" if arms[-1] == "candidate" else "1"), reply
    assert arms[:30] == arms[30:] and set(arms) == {"current", "candidate"}, arms


checks.run(
    [
        health_and_metadata,
        infer,
        compressed,
        in_background,
        with_asyncio,
        every_datatype,
        texts,
        like_onnxruntime,
        classes,
        versions,
        raw_body,
        statistics,
        queue_policy,
        repository_control,
        refusals,
        endpoint,
        canary,
    ]
)
