"""Triton, the binary of the wheel nvidia-pytriton, which starts without a GPU. The wheel has no backend for ONNX, so
the model runs in its python backend, with dynamic batching without delay. Metrics and gRPC are off, in its favour."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytriton
from forest import FEATURES, INPUT, NAME, OUTPUT, arguments

CONFIG = f"""
name: "{NAME}"
backend: "python"
max_batch_size: 64
input [{{ name: "{INPUT}" data_type: TYPE_FP32 dims: [{FEATURES}] }}]
output [{{ name: "{OUTPUT}" data_type: TYPE_FP32 dims: [1] }}]
instance_group [{{ count: 1 kind: KIND_CPU }}]
dynamic_batching {{}}
"""

model, port, folder = arguments()
here = Path(__file__).parent
packages = Path(pytriton.__file__).parent.parent
server = packages / "pytriton" / "tritonserver"
repository = Path(folder) / "models"
(repository / NAME / "1").mkdir(parents=True)
(repository / NAME / "config.pbtxt").write_text(CONFIG)
shutil.copy(here / "triton_model.py", repository / NAME / "1" / "model.py")

# The backend starts a stub made for one version of Python, and looks for it in its own folder.
version = f"{sys.version_info.major}.{sys.version_info.minor}"
backends = Path(folder) / "backends"
shutil.copytree(server / "backends", backends)
stub = "triton_python_backend_stub"
shutil.copy(server / "python_backend_stubs" / version / stub, backends / "python" / stub)

libraries = [packages / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR")]
environment = {
    **os.environ,
    "BENCH_MODEL": model,
    "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
    "BENCH_PACKAGES": f"{here}:{packages}",
}
binary = str(server / "bin" / "tritonserver")
options = [
    f"--model-repository={repository}",
    f"--backend-directory={backends}",
    "--http-address=127.0.0.1",
    f"--http-port={port}",
    "--allow-grpc=false",
    "--allow-metrics=false",
    "--log-info=false",
    "--log-warning=false",
]
os.execve(binary, [binary, *options], environment)
