#!/usr/bin/env bash
# Installs OpenTelemetry's Python SDK with its OTLP exporter over HTTP, an unmodified client of /v1/traces, and keeps it
# for the next time:
#   eval "$(tools/ci/otel.sh)"     sets KEDGE_TEST_OTEL, the path of its Python
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

version=1.45.2
environment="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/otel"
stamp="$environment/version.installed"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$version" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  rm -rf "$environment"
  mkdir -p "$(dirname "$environment")"
  /usr/bin/env python3 -m venv "$environment"
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    "opentelemetry-sdk==$version" "opentelemetry-exporter-otlp-proto-http==$version" >&2
  echo "$version" >"$stamp"
fi
"$environment/bin/python" -c 'import opentelemetry.exporter.otlp.proto.http' >&2
echo "export KEDGE_TEST_OTEL=$environment/bin/python"
