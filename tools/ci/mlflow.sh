#!/usr/bin/env bash
# Makes a Python environment for each MLflow version whose unmodified client the tests run (mlflow-requirements.txt),
# and keeps it for the next time:
#   eval "$(tools/ci/mlflow.sh)"           all versions; sets KEDGE_TEST_MLFLOW to the folder that holds them
#   eval "$(tools/ci/mlflow.sh mlflow-3.17)"   one
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

folder="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv libgomp1; fi
mkdir -p "$folder"

make_environment() {
  local environment="$folder/$1"
  local stamp="$environment/requirements.installed"
  shift
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ]; then return 0; fi
  rm -rf "$environment"
  /usr/bin/env python3 -m venv "$environment"
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
  "$environment/bin/python" -c 'import mlflow, sklearn' >&2
  echo "$*" >"$stamp"
}

while read -r name requirements; do
  case $name in '' | '#'*) continue ;; esac
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  # shellcheck disable=SC2086
  make_environment "$name" $requirements
done <"$here/mlflow-requirements.txt"
echo "export KEDGE_TEST_MLFLOW=$folder"
