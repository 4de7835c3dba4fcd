"""KServe's own model server, unmodified, with two models: the sum of each row, and texts in capitals."""

import sys

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput

http_port, grpc_port = map(int, sys.argv[1:3])


class Served(Model):
    def __init__(self, name, takes, answers):
        super().__init__(name)
        self.takes, self.answers = takes, answers
        self.ready = True

    async def get_input_types(self):
        return [self.takes]

    async def get_output_types(self):
        return [self.answers]

    def respond(self, payload, values):
        output = InferOutput(self.answers["name"], list(values.shape), self.answers["datatype"])
        output.set_data_from_numpy(values, binary_data=False)
        return InferResponse(payload.id or "", self.name, [output])


class Sum(Served):
    def predict(self, payload, headers=None, response_headers=None):
        rows = payload.inputs[0].as_numpy()
        if rows[0][0] == 13:
            raise InvalidInput("thirteen is not summed")
        if rows[0][0] == 14:
            raise RuntimeError("fourteen breaks it")
        return self.respond(payload, rows.sum(axis=1, keepdims=True).astype(np.float32))


class Shout(Served):
    def predict(self, payload, headers=None, response_headers=None):
        texts = [text.decode() if isinstance(text, bytes) else text for text in payload.inputs[0].as_numpy().flatten()]
        return self.respond(payload, np.array([[text.upper()] for text in texts], dtype=object))


ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1).start(
    [
        Sum(
            "sum",
            {"name": "features", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "value", "datatype": "FP32", "shape": [-1, 1]},
        ),
        Shout(
            "shout",
            {"name": "text", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "loud", "datatype": "BYTES", "shape": [-1, 1]},
        ),
    ]
)
