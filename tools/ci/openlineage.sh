#!/usr/bin/env bash
# Installs OpenLineage's Python client, with whose classes the events are read, and keeps it for the next time:
#   eval "$(tools/ci/openlineage.sh)"     sets KEDGE_TEST_OPENLINEAGE, its Python
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

version=1.54.0
environment="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/openlineage"
stamp="$environment/version.installed"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$version" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  rm -rf "$environment"
  mkdir -p "$(dirname "$environment")"
  /usr/bin/env python3 -m venv "$environment"
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "openlineage-python==$version" >&2
  echo "$version" >"$stamp"
fi
"$environment/bin/python" -c 'import openlineage.client.event_v2'
echo "export KEDGE_TEST_OPENLINEAGE=$environment/bin/python"
