"""MLServer with a runtime of its own for ONNX (PyPI has none), in one process: its pool of workers is off, which is
faster for a model this small, and so is its adaptive batching, which delays a lone request."""

import json
import os
import socket
import sys
from pathlib import Path

from forest import NAME, arguments

model, port, folder = arguments()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


settings = {
    "host": "127.0.0.1",
    "http_port": port,
    "grpc_port": free_port(),
    "metrics_port": free_port(),
    "parallel_workers": 0,
    "debug": False,
}
model_settings = {
    "name": NAME,
    "implementation": "mlserver_model.ServedForest",
    "parameters": {"uri": model, "version": "1"},
}
repository = Path(folder) / "models"
repository.mkdir(parents=True)
(repository / "settings.json").write_text(json.dumps(settings))
(repository / "model-settings.json").write_text(json.dumps(model_settings))
environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
command = str(Path(sys.executable).parent / "mlserver")
os.execve(command, [command, "start", str(repository)], environment)
