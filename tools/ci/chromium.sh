#!/usr/bin/env bash
# Finds Chromium, or installs Debian's:   eval "$(tools/ci/chromium.sh)"   sets KEDGE_TEST_CHROMIUM
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/retry.sh"

path=${KEDGE_TEST_CHROMIUM:-$(command -v chromium || true)}
if [ -z "$path" ]; then
  install_packages chromium fonts-liberation
  path=/usr/bin/chromium
fi
"$path" --version >&2
echo "export KEDGE_TEST_CHROMIUM=$path"
