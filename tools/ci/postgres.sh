#!/usr/bin/env bash
# Starts a PostgreSQL of its own, in a temporary folder and on a free loopback port.
#   eval "$(tools/ci/postgres.sh)"                  start; sets KEDGE_TEST_POSTGRES_URL and KEDGE_CI_POSTGRES_FOLDER
#   tools/ci/postgres.sh stop <folder>              stop that one and delete its folder
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/retry.sh"

as_postgres() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

stop() {
  local folder=$1 pid
  pid=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null || true)
  if [ -n "$pid" ] && kill -INT "$pid" 2>/dev/null; then
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  fi
  rm -rf "$folder"
}

# Settings for a database that is thrown away: nothing has to survive a power cut.
start_on() {
  local folder=$1 port=$2
  as_postgres "$bin/pg_ctl" start --silent --wait --pgdata="$folder/data" --log="$folder/log" --options="\
    -c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=100" >&2
}

start() {
  local folder password port
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-postgres.XXXXXX")
  trap 'stop "$folder"' ERR
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  (umask 077 && echo "$password" >"$folder/password")
  if [ "$(id -u)" = 0 ]; then chown -R postgres: "$folder"; fi
  as_postgres "$bin/initdb" --pgdata="$folder/data" --username=kedge --pwfile="$folder/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log"
  for _ in $(seq 10); do
    port=$((20000 + RANDOM % 20000))
    if start_on "$folder" "$port"; then
      PGPASSWORD=$password "$bin/createdb" --host=127.0.0.1 --port="$port" --username=kedge kedge
      echo "export KEDGE_CI_POSTGRES_FOLDER=$folder"
      echo "export KEDGE_TEST_POSTGRES_URL=postgresql://kedge:$password@127.0.0.1:$port/kedge"
      return 0
    fi
  done
  tail -n 20 "$folder/log" >&2
  echo 'PostgreSQL did not start on any of ten ports' >&2
  false
}

if [ "${1:-}" = stop ]; then
  stop "$2"
  exit 0
fi
if [ "$(id -u)" = 0 ] && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then install_packages postgresql; fi
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ]; then bin=$(pg_config --bindir); fi
start
