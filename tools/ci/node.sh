#!/usr/bin/env bash
# Makes sure that Node 20 or later and npm are there:   eval "$(tools/ci/node.sh)"   may change PATH
# Debian 12 packages Node 18, which is enough to install the Node that package.json names from the npm registry.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

is_recent() {
  command -v npm >/dev/null && [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20' 2>/dev/null)" = true ]
}

if is_recent; then exit 0; fi
prefix="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/node"
if [ ! -x "$prefix/node_modules/node/bin/node" ]; then
  install_packages nodejs npm
  version=$(sed -n 's/^ *"node": "\([0-9.]*\)",*$/\1/p' "$here/../../package.json")
  mkdir -p "$prefix"
  retry npm install --silent --no-audit --no-fund --prefix "$prefix" "node@$version" >&2
fi
"$prefix/node_modules/node/bin/node" --version >&2
echo "export PATH=$prefix/node_modules/node/bin:\$PATH"
