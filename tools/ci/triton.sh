#!/usr/bin/env bash
# Installs the unmodified Python clients of the Open Inference Protocol that the tests run (Triton's and KServe's) and
# the onnx package that writes their models, and keeps them for the next time:
#   eval "$(tools/ci/triton.sh)"     sets KEDGE_TEST_TRITON, the path of the Python that has them
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

requirements=$(sed '/^#/d' "$here/triton-requirements.txt")
environment="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/triton"
stamp="$environment/requirements.installed"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$requirements" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  rm -rf "$environment"
  mkdir -p "$(dirname "$environment")"
  /usr/bin/env python3 -m venv "$environment"
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$here/triton-requirements.txt" >&2
  # One process cannot have both: each brings the protocol's messages under the same names.
  "$environment/bin/python" -c 'import tritonclient.http.aio, tritonclient.grpc.aio, onnx, onnxruntime' >&2
  "$environment/bin/python" -c 'import kserve' >&2
  echo "$requirements" >"$stamp"
fi
echo "export KEDGE_TEST_TRITON=$environment/bin/python"
