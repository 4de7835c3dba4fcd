#!/usr/bin/env bash
# Makes a Python environment with what the tests compare against (requirements.txt) and keeps it for the next time:
#   eval "$(tools/ci/python.sh)"     sets KEDGE_TEST_PYTHON
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

environment="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/python"
stamp="$environment/requirements.installed"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  # libgomp is what LightGBM's wheel links to and does not bring.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv libgomp1; fi
  rm -rf "$environment"
  mkdir -p "$(dirname "$environment")"
  /usr/bin/env python3 -m venv "$environment"
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$stamp"
fi
"$environment/bin/python" -c 'import lightgbm, onnx, onnxmltools, skl2onnx, sklearn'
echo "export KEDGE_TEST_PYTHON=$environment/bin/python"
