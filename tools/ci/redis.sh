#!/usr/bin/env bash
# Starts a Redis of its own (Debian's, without persistence) on a free loopback port:
#   eval "$(tools/ci/redis.sh)"          start; sets KEDGE_TEST_REDIS_URL and KEDGE_CI_REDIS_FOLDER
#   tools/ci/redis.sh stop <folder>      stop that one and delete its folder
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/retry.sh"

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

start() {
  local folder password port pid
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-redis.XXXXXX")
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  for _ in $(seq 10); do
    port=$((20000 + RANDOM % 20000))
    (umask 077 && printf 'port %s\nbind 127.0.0.1\nrequirepass %s\nsave ""\ndir %s\n' \
      "$port" "$password" "$folder" >"$folder/redis.conf")
    nohup redis-server "$folder/redis.conf" >"$folder/log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$folder/pid"
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      if grep -q 'Ready to accept connections' "$folder/log"; then
        echo "export KEDGE_CI_REDIS_FOLDER=$folder"
        echo "export KEDGE_TEST_REDIS_URL=redis://:$password@127.0.0.1:$port"
        return 0
      fi
      sleep 0.1
    done
    kill "$pid" 2>/dev/null || true
  done
  tail -n 20 "$folder/log" >&2
  stop "$folder"
  echo 'Redis did not start on any of ten ports' >&2
  return 1
}

if [ "${1:-}" = stop ]; then
  stop "$2"
  exit 0
fi
if ! command -v redis-server >/dev/null; then install_packages redis-server; fi
start
