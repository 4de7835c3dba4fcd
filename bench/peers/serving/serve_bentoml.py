"""BentoML, one worker. Its adaptive batching is off: with the default latency it answers a lone client 12 times a
second, and gains a fifth at 32 connections."""

import os
import sys
from pathlib import Path

from forest import arguments

model, port, folder = arguments()
environment = {
    **os.environ,
    "BENCH_MODEL": model,
    "BENTOML_HOME": folder,
    "BENTOML_DO_NOT_TRACK": "True",
    "PYTHONPATH": str(Path(__file__).parent),
}
command = str(Path(sys.executable).parent / "bentoml")
options = ["serve", "bentoml_service:ServedForest", "--host", "127.0.0.1", "--port", str(port)]
os.execve(command, [command, *options, "--working-dir", str(Path(__file__).parent)], environment)
