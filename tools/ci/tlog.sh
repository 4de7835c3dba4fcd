#!/usr/bin/env bash
# Builds the transparency log tools of others that the tests let judge an exported audit log and its proofs, and keeps
# them for the next time:
#   eval "$(tools/ci/tlog.sh)"     sets KEDGE_TEST_TLOG to the folder that holds them
# tlog-check uses golang.org/x/mod; tlog-proof and fsck are of transparency.dev.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"
source "$here/go.sh"

fsck_version=v1.0.4
sources="$here/../../test/protocol/tlog"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/tlog"
export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false

go=$(recent_go)
stamp=$("$go" version; cat "$sources"/{,proof/}{main.go,go.mod,go.sum}; echo "$fsck_version")
if [ "$(cat "$folder/built" 2>/dev/null || true)" != "$stamp" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$sources" && retry "$go" build -o "$folder/tlog-check" . >&2)
  (cd "$sources/proof" && retry "$go" build -o "$folder/tlog-proof" . >&2)
  GOBIN="$folder" retry "$go" install "github.com/transparency-dev/tessera/cmd/fsck@$fsck_version" >&2
  echo "$stamp" >"$folder/built"
fi
echo "export KEDGE_TEST_TLOG=$folder"
