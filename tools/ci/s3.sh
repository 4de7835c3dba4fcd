#!/usr/bin/env bash
# Starts an S3 server of its own (versitygw over a temporary folder) on a free loopback port:
#   eval "$(tools/ci/s3.sh)"             start; sets KEDGE_TEST_S3 (address with keys) and KEDGE_CI_S3_FOLDER
#   tools/ci/s3.sh stop <folder>         stop that one and delete its folder
# The server is built once from the Go module proxy and kept for the next time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"
source "$here/go.sh"

version=v1.8.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci"
server="$cache/versitygw-$version/versitygw"

build() {
  local go folder
  go=$(recent_go)
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-versitygw.XXXXXX")
  mkdir -p "$cache"
  echo "building versitygw $version with $("$go" env GOVERSION)" >&2
  # The folder of modules goes with the build: only the program is kept.
  GOBIN="$folder/bin" GOPATH="$folder/path" GOFLAGS='-modcacherw -buildvcs=false' CGO_ENABLED=0 \
    retry "$go" install "github.com/versity/versitygw/cmd/versitygw@$version" >&2
  mkdir -p "$(dirname "$server")"
  mv "$folder/bin/versitygw" "$server"
  rm -rf "$folder"
}

stop() {
  local folder=$1 pid
  pid=$(cat "$folder/pid" 2>/dev/null || true)
  if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  fi
  rm -rf "$folder"
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

start() {
  local folder secret port pid
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-s3.XXXXXX")
  mkdir "$folder/data" "$folder/versions" "$folder/metadata"
  secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  for _ in $(seq 10); do
    port=$((20000 + RANDOM % 20000))
    if answers "$port"; then continue; fi
    ROOT_ACCESS_KEY=kedge ROOT_SECRET_KEY=$secret nohup "$server" --quiet --port "127.0.0.1:$port" \
      posix --sidecar "$folder/metadata" --versioning-dir "$folder/versions" "$folder/data" \
      >"$folder/log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$folder/pid"
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      if answers "$port"; then
        echo "export KEDGE_CI_S3_FOLDER=$folder"
        echo "export KEDGE_TEST_S3=http://kedge:$secret@127.0.0.1:$port"
        return 0
      fi
      sleep 0.1
    done
    kill "$pid" 2>/dev/null || true
  done
  tail -n 20 "$folder/log" >&2
  stop "$folder"
  echo 'the S3 server did not start on any of ten ports' >&2
  return 1
}

if [ "${1:-}" = stop ]; then
  stop "$2"
  exit 0
fi
if [ ! -x "$server" ]; then build; fi
start
