#!/usr/bin/env bash
# Installs the Python reference implementation of OpenSSF Model Signing, against which the signatures are checked, and
# keeps it for the next time:
#   eval "$(tools/ci/model-signing.sh)"     sets KEDGE_TEST_MODEL_SIGNING, the path of its command
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

version=1.1.1
environment="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/model-signing"
stamp="$environment/version.installed"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$version" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  rm -rf "$environment"
  mkdir -p "$(dirname "$environment")"
  /usr/bin/env python3 -m venv "$environment"
  # It imports pyOpenSSL without asking for it: before sigstore 4.5 that came with sigstore.
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    "model-signing==$version" "pyopenssl==26.4.0" >&2
  echo "$version" >"$stamp"
fi
"$environment/bin/model_signing" --version >&2
echo "export KEDGE_TEST_MODEL_SIGNING=$environment/bin/model_signing"
