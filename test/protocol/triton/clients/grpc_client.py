"""Triton's own gRPC client, unmodified: blocking, with callbacks, streaming, and with asyncio."""

import asyncio
import queue
import sys

import checks
import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from checks import numbers, ones, same
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

address, repository, url = sys.argv[1:4]
client = triton.InferenceServerClient(address)
WITHIN_S = 120


def tensor(name, values, datatype):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def simple_inputs():
    return [tensor("INPUT0", numbers, "INT32"), tensor("INPUT1", ones, "INT32")]


def check_simple(result):
    same(result.as_numpy("OUTPUT0"), numbers + ones, "OUTPUT0")
    same(result.as_numpy("OUTPUT1"), numbers - ones, "OUTPUT1")


def refused(call, status, words):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{status}", f"{error.status()} {error.message()}"
        assert words in error.message(), error.message()
        return
    raise AssertionError(f"was not refused with {status}")


def health_and_metadata():
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple")
    assert not client.is_model_ready("damaged")
    assert client.get_server_metadata().name == "triton"
    metadata = client.get_model_metadata("simple")
    assert list(metadata.inputs[0].shape) == [-1, 16] and metadata.inputs[0].datatype == "INT32", metadata
    config = client.get_model_config("simple").config
    assert config.max_batch_size == 8 and config.input[0].data_type == 8 and list(config.input[0].dims) == [16]
    assert client.get_model_config("simple", as_json=True)["config"]["name"] == "simple"
    refused(lambda: client.get_model_metadata("wrong_model_name"), "NOT_FOUND", "Request for unknown model")


def infer():
    result = client.infer("simple", simple_inputs(), request_id="7")
    check_simple(result)
    assert result.get_response().id == "7"
    outputs = [triton.InferRequestedOutput("OUTPUT1")]
    only = client.infer("simple", simple_inputs(), outputs=outputs)
    assert only.as_numpy("OUTPUT0") is None
    same(only.as_numpy("OUTPUT1"), numbers - ones, "OUTPUT1")
    check_simple(client.infer("simple", simple_inputs(), compression_algorithm="gzip"))


def with_callbacks():
    results = queue.Queue()
    for i in range(20):
        client.async_infer("simple", simple_inputs(), lambda result, error: results.put((result, error)))
    for _ in range(20):
        result, error = results.get(timeout=WITHIN_S)
        assert error is None, error
        check_simple(result)


def streaming():
    results = queue.Queue()
    with triton.InferenceServerClient(address) as streamer:
        streamer.start_stream(lambda result, error: results.put((result, error)))
        for i in range(100):
            streamer.async_stream_infer("simple", simple_inputs(), request_id=str(i))
        for i in range(100):
            result, error = results.get(timeout=WITHIN_S)
            assert error is None, error
            check_simple(result)
            assert result.get_response().id == str(i), f"{result.get_response().id} for {i}"
        # A request that is refused is told so, and the stream goes on.
        streamer.async_stream_infer("wrong_model_name", simple_inputs())
        result, error = results.get(timeout=WITHIN_S)
        assert result is None and "Request for unknown model" in error.message(), error
        streamer.async_stream_infer("simple", simple_inputs(), enable_empty_final_response=True)
        result, error = results.get(timeout=WITHIN_S)
        check_simple(result)
        assert result.get_response().parameters["triton_final_response"].bool_param
        streamer.stop_stream()


def with_asyncio():
    async def play():
        async with triton_aio.InferenceServerClient(address) as aio:
            assert await aio.is_server_live() and await aio.is_model_ready("simple")
            for result in await asyncio.gather(*[aio.infer("simple", simple_inputs()) for _ in range(20)]):
                check_simple(result)

            async def requests():
                for i in range(20):
                    yield {"model_name": "simple", "inputs": simple_inputs(), "request_id": str(i)}

            count = 0
            async for result, error in aio.stream_infer(requests()):
                assert error is None, error
                check_simple(result)
                count += 1
            assert count == 20, count

    asyncio.run(play())


def every_datatype():
    for datatype, values in checks.NUMPY.items():
        found = client.infer(f"same_{datatype.lower()}", [tensor("x", values, datatype)]).as_numpy("y")
        same(found, values, datatype)


def typed_contents():
    """The form without raw bytes, which other clients of the protocol send."""
    fields = {
        "BOOL": "bool_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        "BYTES": "bytes_contents",
    }
    stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(address))
    for datatype, field in fields.items():
        values = checks.NUMPY[datatype]
        listed = values.flatten().tolist()
        if datatype == "BYTES":
            listed = [text.encode() for text in listed]
        request = service_pb2.ModelInferRequest(model_name=f"same_{datatype.lower()}")
        given = request.inputs.add(name="x", datatype=datatype, shape=values.shape)
        getattr(given.contents, field).extend(listed)
        result = triton.InferResult(stub.ModelInfer(request))
        same(result.as_numpy("y"), values, f"{datatype} as {field}")


def like_onnxruntime():
    feeds = checks.mixed()
    result = client.infer("mixed", [tensor(name, feeds[name], checks.DATATYPE[feeds[name].dtype]) for name in feeds])
    for name, values in checks.oracle(repository, "mixed", feeds).items():
        same(result.as_numpy(name), values, name)


def classes():
    values = np.array([[1.0, 4.0, 2.0, 3.0]], dtype=np.float32)
    outputs = [triton.InferRequestedOutput("p", class_count=3)]
    found = client.infer("colours", [tensor("x", values, "FP32")], outputs=outputs).as_numpy("p")
    labels = [text.decode().split(":")[1:] for text in found.flatten()]
    assert labels == [["1", "green"], ["3", "yellow"], ["2", "blue"]], labels


def statistics():
    before = client.get_inference_statistics("simple").model_stats[0]
    client.infer("simple", simple_inputs())
    after = client.get_inference_statistics("simple").model_stats[0]
    assert after.inference_count == before.inference_count + 1, after
    assert after.inference_stats.success.count == before.inference_stats.success.count + 1, after
    assert after.inference_stats.queue.ns >= before.inference_stats.queue.ns, after
    assert len(client.get_inference_statistics().model_stats) > 1


def queue_policy():
    """A request names its priority and how long it may wait; one that is cancelled is taken out."""

    def rows(count):
        return [tensor("x", np.arange(1, count + 1, dtype=np.float32).reshape(count, 1), "FP32")]

    refused(lambda: client.infer("queued", rows(1), timeout=1000), "UNAVAILABLE", "Request timeout expired")
    before = client.get_inference_statistics("queued").model_stats[0]
    results = queue.Queue()

    def ask(name, priority):
        answered = lambda result, error: results.put((name, result, error))
        return client.async_infer("queued", rows(1), answered, priority=priority)

    gone = ask("gone", 1)
    checks.pending(url, 1)
    gone.cancel()
    checks.pending(url, 0)
    name, _, error = results.get(timeout=WITHIN_S)
    assert name == "gone" and "cancelled" in error.message().lower(), error
    ask("low", 2)
    checks.pending(url, 1)
    # Two rows are a run: of a higher priority they go first, and the other waits on.
    same(client.infer("queued", rows(2), priority=1).as_numpy("y")[0], np.array([-1.0], dtype=np.float32), "high")
    checks.pending(url, 1)
    ask("beside", 2)
    for _ in range(2):
        name, result, error = results.get(timeout=WITHIN_S)
        assert error is None, error
        same(result.as_numpy("y"), np.array([[-1.0]], dtype=np.float32), name)
    after = client.get_inference_statistics("queued").model_stats[0]
    assert after.execution_count == before.execution_count + 2, after
    assert after.inference_count == before.inference_count + 4, after
    assert after.inference_stats.fail.count == before.inference_stats.fail.count + 1, after
    batching = client.get_model_config("queued").config.dynamic_batching
    assert batching.priority_levels == 2 and batching.default_queue_policy.allow_timeout_override, batching


def repository_control():
    states = {model.name: model.state for model in client.get_model_repository_index().models}
    assert states["simple"] == "READY", states
    client.unload_model("simple_int8")
    assert not client.is_model_ready("simple_int8")
    client.load_model("simple_int8")
    assert client.is_model_ready("simple_int8")
    refused(lambda: client.load_model("wrong_model_name"), "INVALID_ARGUMENT", "failed to load 'wrong_model_name'")
    with open(f"{repository}/negate/1/model.onnx", "rb") as file:
        client.load_model("sent", config="{}", files={"file:1/model.onnx": file.read()})
    values = np.array([2.0], dtype=np.float32)
    same(client.infer("sent", [tensor("x", values, "FP32")]).as_numpy("y"), -values, "sent")
    client.unload_model("sent")


def refusals():
    wrong = tensor("INPUT0", numbers.astype(np.float32), "FP32")
    refused(lambda: client.infer("simple", [wrong, simple_inputs()[1]]), "INVALID_ARGUMENT", "INPUT0")
    refused(lambda: client.infer("simple", simple_inputs()[:1]), "INVALID_ARGUMENT", "INPUT1")
    missing = np.array([7], dtype=np.int64)
    refused(lambda: client.infer("brittle", [tensor("x", missing, "INT64")]), "INTERNAL", "brittle")
    refused(client.get_system_shared_memory_status, "UNIMPLEMENTED", "")


def endpoint():
    features = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    found = client.infer("delays", [tensor("features", features, "FP32")]).as_numpy("probability")
    expected = 1 / (1 + np.exp(-(features @ np.array([[1.0], [-2.0]]))))
    assert np.allclose(found, expected, atol=1e-6), found



def canary():
    features = np.array([[1.0, 0.0]], dtype=np.float32)
    arms = []
    for i in range(60):
        said = {"entities.customer": f"c-{i % 30}"}
        reply = client.infer("scores", [tensor("features", features, "FP32")], parameters=said).get_response()
        arms.append(reply.parameters["arm"].string_param)
        assert reply.parameters["propensity"].double_param == 0.5, reply
        assert reply.model_version == ("2" if arms[-1] == "candidate" else "1"), reply
    assert arms[:30] == arms[30:] and set(arms) == {"current", "candidate"}, arms


checks.run(
    [
        health_and_metadata,
        infer,
        with_callbacks,
        streaming,
        with_asyncio,
        every_datatype,
        typed_contents,
        like_onnxruntime,
        classes,
        statistics,
        queue_policy,
        repository_control,
        refusals,
        endpoint,
        canary,
    ]
)
