"""KServe's own inference clients, unmodified: REST and gRPC of the second protocol, REST of the first."""

import asyncio
import sys

import checks
import numpy as np
from checks import numbers, ones, same
from kserve import InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import InferInput, InferRequest

url, grpc_address = sys.argv[1:3]


def request(binary=False):
    inputs = []
    for name, values in (("INPUT0", numbers), ("INPUT1", ones)):
        given = InferInput(name, list(values.shape), "INT32")
        given.set_data_from_numpy(values, binary_data=binary)
        inputs.append(given)
    return InferRequest(model_name="simple", infer_inputs=inputs, request_id="7")


def check_simple(response):
    outputs = {output.name: output.as_numpy() for output in response.outputs}
    same(outputs["OUTPUT0"].reshape(1, 16), numbers + ones, "OUTPUT0")
    same(outputs["OUTPUT1"].reshape(1, 16), numbers - ones, "OUTPUT1")


def second_protocol_over_rest():
    async def play():
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "simple")
        check_simple(await client.infer(url, request(), model_name="simple"))
        check_simple(await client.infer(url, request(binary=True), model_name="simple"))
        await client.close()

    asyncio.run(play())


def second_protocol_over_grpc():
    async def play():
        async with InferenceGRPCClient(grpc_address) as client:
            assert await client.is_server_live() and await client.is_server_ready()
            assert await client.is_model_ready("simple")
            check_simple(await client.infer(request(binary=True)))
            check_simple(await client.infer(request()))

    asyncio.run(play())


def first_protocol():
    async def play():
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        assert await client.is_model_ready(url, "delays")
        answer = await client.infer(url, {"instances": [[1.0, 0.0], [0.0, 1.0]]}, model_name="delays")
        expected = 1 / (1 + np.exp(-np.array([1.0, -2.0])))
        assert np.allclose(answer["predictions"], expected, atol=1e-6), answer
        named = {"instances": [{"a": 1.0, "b": 0.0}, {"b": 1.0, "a": 0.0}]}
        again = await client.infer(url, named, model_name="delays")
        assert again["predictions"] == answer["predictions"], again
        await client.close()

    asyncio.run(play())


checks.run([second_protocol_over_rest, second_protocol_over_grpc, first_protocol])
