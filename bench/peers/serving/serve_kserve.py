"""The model server of KServe's Python SDK, one worker, without gRPC."""

import logging

import numpy
from forest import NAME, OUTPUT, Forest, arguments
from kserve import InferOutput, InferResponse, Model, ModelServer

path, port, _ = arguments()


class Served(Model):
    def __init__(self):
        super().__init__(NAME)
        self._forest = Forest(path)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        rows = payload.inputs[0].as_numpy().astype(numpy.float32, copy=False)
        scores = self._forest.scores(rows)
        output = InferOutput(name=OUTPUT, shape=list(scores.shape), datatype="FP32", data=scores.ravel().tolist())
        return InferResponse(response_id=payload.id, model_name=NAME, infer_outputs=[output])


logging.disable(logging.INFO)
ModelServer(http_port=port, workers=1, enable_grpc=False, access_log_format=None).start([Served()])
