"""MLflow's own clients of a scoring server and of deployments, unmodified."""

import sys
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import requests
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

url = sys.argv[1]
parsed = urlparse(url)
client = ScoringServerClient(parsed.hostname, parsed.port)
frame = pd.DataFrame({"a": [1.0, 0.0], "b": [0.0, 1.0]})
expected = 1 / (1 + np.exp(-np.array([1.0, -2.0])))


def check(answer):
    assert np.allclose(answer["predictions"], expected, atol=1e-6), answer


def scoring_server():
    client.ping()
    client.wait_server_ready(timeout=60)
    assert client.get_version()
    check(client.invoke(frame))
    check(client.invoke(frame[["b", "a"]]))
    check(client.invoke(frame.to_numpy()))
    check(client.invoke([[1.0, 0.0], [0.0, 1.0]]))
    answer = client.invoke(frame).get_predictions()
    assert list(answer.shape) == [2, 1], answer


def every_form():
    bodies = [
        {"dataframe_split": frame.to_dict(orient="split")},
        {"dataframe_records": frame.to_dict(orient="records")},
        {"instances": frame.to_dict(orient="records")},
        {"instances": frame.to_numpy().tolist()},
        {"inputs": {name: frame[name].tolist() for name in frame}},
    ]
    for body in bodies:
        response = requests.post(f"{url}/invocations", json=body, timeout=60)
        assert response.status_code == 200, response.text
        check(response.json())
    csv = {"Content-Type": "text/csv"}
    for text in (frame.to_csv(index=False), frame.to_csv(index=False, header=False)):
        response = requests.post(f"{url}/invocations", data=text, headers=csv, timeout=60)
        assert response.status_code == 200, response.text
        check(response.json())


def deployments():
    deployed = get_deploy_client(url)
    assert [endpoint.name for endpoint in deployed.list_endpoints()] == ["delays"]
    assert deployed.get_endpoint("delays").endpoint_url.endswith("/endpoints/delays/invocations")
    check(deployed.predict(endpoint="delays", inputs={"dataframe_split": frame.to_dict(orient="split")}))


def refusals():
    for call in (lambda: client.invoke(frame[["a"]]), lambda: client.invoke("no JSON")):
        try:
            call()
        except Exception as error:
            assert "error code 400" in str(error), error
            continue
        raise AssertionError("was not refused")


for scene in (scoring_server, every_form, deployments, refusals):
    scene()
    print(f"passed {scene.__name__}", flush=True)
