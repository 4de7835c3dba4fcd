"""Webhooks by the unmodified client. Called with the server's address; the client's own code checks the signatures."""

import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.webhooks.delivery import _generate_hmac_signature

SECRET = "a secret of the test"
WITHIN_S = 30
received = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        received.put((dict(self.headers), body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"taken")

    def log_message(self, *_):
        pass


def message():
    headers, body = received.get(timeout=WITHIN_S)
    named = {name.lower(): value for name, value in headers.items()}
    expected = _generate_hmac_signature(SECRET, named["x-mlflow-delivery-id"], named["x-mlflow-timestamp"], body)
    assert named["x-mlflow-signature"] == expected, (named, expected)
    parsed = json.loads(body)
    return f"{parsed['entity']}.{parsed['action']}", parsed["data"]


def refused(call, code):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, error)
        return str(error)
    raise AssertionError(f"expected {code}")


def main(uri):
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()

    events = ["registered_model.created", "model_version.created", "model_version_alias.created"]
    made = client.create_webhook("first-hook", url, events, description="tells", secret=SECRET)
    assert (made.name, made.url, made.description, str(made.status)) == ("first-hook", url, "tells", "ACTIVE"), made
    assert sorted(str(event) for event in made.events) == sorted(events), made.events
    read = client.get_webhook(made.webhook_id)
    assert (read.name, read.url, read.creation_timestamp) == (made.name, made.url, made.creation_timestamp), read
    assert [one.webhook_id for one in client.list_webhooks()] == [made.webhook_id]

    result = client.test_webhook(made.webhook_id)
    assert result.success and result.response_status == 200 and result.response_body == "taken", result
    assert message()[0] == events[0]

    client.create_registered_model("hooked", tags={"team": "risk"}, description="a model")
    name, data = message()
    assert name == "registered_model.created", name
    assert data == {"name": "hooked", "tags": {"team": "risk"}, "description": "a model"}, data
    with mlflow.start_run() as run:
        mlflow.log_text("weights", "model/weights.txt")
    client.create_model_version("hooked", f"runs:/{run.info.run_id}/model", run.info.run_id)
    name, data = message()
    assert name == "model_version.created", name
    assert (data["name"], data["version"], data["run_id"]) == ("hooked", "1", run.info.run_id), data
    client.set_registered_model_alias("hooked", "shadow", 1)
    name, data = message()
    assert (name, data) == ("model_version_alias.created", {"name": "hooked", "alias": "shadow", "version": "1"}), data

    changed = client.update_webhook(made.webhook_id, status="DISABLED", name="second-hook")
    assert (changed.name, str(changed.status), changed.url) == ("second-hook", "DISABLED", url), changed
    refused(lambda: client.create_webhook("bad name!", url, events), "INVALID_PARAMETER_VALUE")
    refused(lambda: client.create_webhook("ftp", "ftp://127.0.0.1/", events), "INVALID_PARAMETER_VALUE")
    client.delete_webhook(made.webhook_id)
    refused(lambda: client.get_webhook(made.webhook_id), "RESOURCE_DOES_NOT_EXIST")
    assert list(client.list_webhooks()) == []
    assert received.empty()
    print(f"passed webhooks with {mlflow.__version__}")


main(sys.argv[1])
