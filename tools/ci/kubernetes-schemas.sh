#!/usr/bin/env bash
# Fetches the published JSON schemas of Kubernetes, which the package kubernetes-validate from PyPI carries, and keeps
# the strict ones of the oldest and newest version that manifests are checked against, for the next time too:
#   eval "$(tools/ci/kubernetes-schemas.sh)"     sets KEDGE_TEST_KUBERNETES_SCHEMAS, the folder that holds them
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

version=1.37.0
folder="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/kubernetes-schemas-$version"
if [ ! -d "$folder" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/kedge-schemas.XXXXXX")
  /usr/bin/env python3 -m venv "$work/venv"
  retry "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --target "$work/package" "kubernetes-validate==$version" >&2
  mkdir -p "$work/kept"
  for kept in v1.31.0-local-strict v1.37.0-local-strict; do
    mv "$work/package/kubernetes_validate/kubernetes-json-schema/$kept" "$work/kept/$kept"
  done
  mkdir -p "$(dirname "$folder")"
  mv "$work/kept" "$folder"
  rm -rf "$work"
fi
echo "export KEDGE_TEST_KUBERNETES_SCHEMAS=$folder"
