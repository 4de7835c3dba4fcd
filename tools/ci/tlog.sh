#!/usr/bin/env bash
# Builds the transparency log tools of others that the tests let judge an exported audit log and its proofs, and keeps
# them for the next time:
#   eval "$(tools/ci/tlog.sh)"     sets KEDGE_TEST_TLOG to the folder that holds them
# tlog-check uses golang.org/x/mod and needs any Go, such as Debian's. tlog-proof and fsck are of transparency.dev and
# need Go 1.25; without it they are not there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

fsck_version=v1.0.4
sources="$here/../../test/protocol/tlog"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/tlog"
export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false

go=$(command -v go || true)
if [ -z "$go" ]; then
  install_packages golang-go ca-certificates
  go=/usr/bin/go
fi
stamp=$("$go" version; cat "$sources"/{,proof/}{main.go,go.mod,go.sum}; echo "$fsck_version")
if [ "$(cat "$folder/built" 2>/dev/null || true)" != "$stamp" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$sources" && retry "$go" build -o "$folder/tlog-check" . >&2)
  minor=$("$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  if [ "${minor:-0}" -ge 25 ]; then
    (cd "$sources/proof" && retry "$go" build -o "$folder/tlog-proof" . >&2)
    GOBIN="$folder" retry "$go" install "github.com/transparency-dev/tessera/cmd/fsck@$fsck_version" >&2
  fi
  echo "$stamp" >"$folder/built"
fi
echo "export KEDGE_TEST_TLOG=$folder"
