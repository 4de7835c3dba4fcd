"""The model as MLServer runs it."""

from forest import OUTPUT, Forest
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class ServedForest(MLModel):
    async def load(self) -> bool:
        self._forest = Forest(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output(OUTPUT, self._forest.scores(rows))
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[output])
