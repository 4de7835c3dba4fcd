"""The model as Triton's python backend runs it: what its dynamic batcher gathered, as one batch."""

import os
import sys

# The backend's interpreter is isolated from its environment.
sys.path.extend(os.environ["BENCH_PACKAGES"].split(":"))

import triton_python_backend_utils as triton
from forest import INPUT, OUTPUT, Forest


class TritonPythonModel:
    def initialize(self, _args):
        self._forest = Forest(os.environ["BENCH_MODEL"])

    def execute(self, requests):
        rows = [triton.get_input_tensor_by_name(request, INPUT).as_numpy() for request in requests]
        return [
            triton.InferenceResponse([triton.Tensor(OUTPUT, scores)]) for scores in self._forest.scores_of_each(rows)
        ]
