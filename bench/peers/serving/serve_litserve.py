"""LitServe with its batching: up to 32 requests, 2 ms, one worker."""

import litserve
from forest import NAME, Forest, answer_of, arguments, rows_of

model, port, _ = arguments()


class ForestApi(litserve.LitAPI):
    def setup(self, device):
        self._forest = Forest(model)

    # It looks at the name of the argument.
    def decode_request(self, request):
        return request

    def batch(self, inputs):
        return inputs

    def predict(self, requests):
        scores = self._forest.scores_of_each([rows_of(request) for request in requests])
        return list(zip(requests, scores))

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return answer_of(*output)


if __name__ == "__main__":
    api = ForestApi(max_batch_size=32, batch_timeout=0.002, api_path=f"/v2/models/{NAME}/infer")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, num_api_servers=1, generate_client_file=False, log_level="warning")
