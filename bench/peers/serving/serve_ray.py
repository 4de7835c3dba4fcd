"""Ray Serve with @serve.batch: up to 32 requests, 2 ms, one replica."""

import signal

import ray
from forest import NAME, Forest, answer_of, arguments, rows_of
from ray import serve
from starlette.requests import Request

model, port, _ = arguments()


@serve.deployment(num_replicas=1, max_ongoing_requests=256)
class ServedForest:
    def __init__(self):
        self._forest = Forest(model)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.002)
    async def _score(self, requests):
        return self._forest.scores_of_each(requests)

    async def __call__(self, request: Request):
        body = await request.json()
        return answer_of(body, await self._score(rows_of(body)))


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"enable_access_log": False})
serve.run(ServedForest.bind(), route_prefix=f"/v2/models/{NAME}/infer")
signal.pause()
