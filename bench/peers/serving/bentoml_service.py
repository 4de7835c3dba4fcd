"""The model as BentoML runs it: {"rows": [[...]]} in, [[score]] out."""

import os

import bentoml
import numpy
from forest import Forest


@bentoml.service(workers=1)
class ServedForest:
    def __init__(self):
        self._forest = Forest(os.environ["BENCH_MODEL"])

    @bentoml.api
    def infer(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self._forest.scores(rows.astype(numpy.float32))
