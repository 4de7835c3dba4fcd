#!/usr/bin/env bash
# Makes a Python environment for each product that Kedge is measured beside, and keeps it for the next time:
#   bench/peers/install.sh [prefect|dagster|triton|fastapi|kserve|mlserver|litserve|bentoml|mlflow|ray]…
# prints where they are. Without a name: the orchestrators, for bench/peers/*.py. Model servers are for
# bench/gateway/peers.ts.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../tools/ci/retry.sh"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci"
mkdir -p "$folder"

make_environment() {
  local environment="$folder/$1"
  local stamp="$environment/requirements.installed"
  local module=$2
  shift 2
  if ! { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ]; }; then
    rm -rf "$environment"
    /usr/bin/env python3 -m venv "$environment"
    retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
    "$environment/bin/python" -c "import $module" >&2
    echo "$*" >"$stamp"
  fi
  echo "$environment"
}

install_peer() {
  local runtime='onnxruntime==1.31.*'
  case $1 in
    # Its server does not start with every version of FastAPI that its requirements allow.
    prefect) make_environment prefect-3 prefect 'prefect==3.8.*' 'fastapi==0.145.*' ;;
    dagster) make_environment dagster-1 dagster 'dagster==1.13.*' 'dagster-webserver==1.13.*' ;;
    triton) make_environment peer-triton pytriton 'nvidia-pytriton==0.7.*' "$runtime" ;;
    fastapi)
      make_environment peer-fastapi fastapi 'fastapi==0.165.*' 'uvicorn==0.54.*' 'uvloop==0.23.*' \
        'httptools==0.9.*' 'orjson==3.*' "$runtime"
      ;;
    kserve) make_environment peer-kserve kserve 'kserve==0.21.*' "$runtime" ;;
    # With a newer uvloop its worker process dies at its start.
    mlserver) make_environment peer-mlserver mlserver 'mlserver==1.7.*' 'uvloop==0.21.*' "$runtime" ;;
    litserve) make_environment peer-litserve litserve 'litserve==0.2.*' "$runtime" ;;
    bentoml) make_environment peer-bentoml bentoml 'bentoml==1.4.*' "$runtime" ;;
    mlflow) make_environment peer-mlflow mlflow 'mlflow==3.17.*' 'onnx==1.23.*' "$runtime" ;;
    # Its extra leaves out jinja2, without which it cannot be imported.
    ray) make_environment peer-ray ray.serve 'ray[serve]==2.58.*' 'jinja2==3.*' "$runtime" ;;
    *)
      echo "unknown peer '$1'; known are those in the head of $0" >&2
      exit 2
      ;;
  esac
}

if [ $# -eq 0 ]; then set -- prefect dagster; fi
for peer in "$@"; do install_peer "$peer"; done
