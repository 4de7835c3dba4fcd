#!/usr/bin/env bash
# Makes a Python environment for each orchestrator that Kedge is measured beside, and keeps it for the next time:
#   bench/peers/install.sh            prints where they are, for bench/peers/*.py
# Prefect's server does not start with every version of FastAPI that its requirements allow, so that is pinned.
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

make_environment prefect-3 prefect 'prefect==3.8.*' 'fastapi==0.145.*'
make_environment dagster-1 dagster 'dagster==1.13.*' 'dagster-webserver==1.13.*'
