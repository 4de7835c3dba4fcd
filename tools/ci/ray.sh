#!/usr/bin/env bash
# Starts a Ray cluster of one node of its own, in a temporary folder and with its dashboard on a free loopback port:
#   eval "$(tools/ci/ray.sh)"            start; sets KEDGE_TEST_RAY (address of the dashboard) and KEDGE_CI_RAY_FOLDER
#   tools/ci/ray.sh stop <folder>        stop that one and delete its folder
# Ray comes from PyPI once and is kept for the next time. Its Jobs server needs what `ray[default]` names.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/retry.sh"

requirement='ray[default]==2.58.0'
environment="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/ray-2.58"

make_environment() {
  local stamp="$environment/requirements.installed"
  if [ "$(cat "$stamp" 2>/dev/null || true)" = "$requirement" ]; then return 0; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  rm -rf "$environment"
  /usr/bin/env python3 -m venv "$environment"
  retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$requirement" >&2
  echo "$requirement" >"$stamp"
}

# Whether a process runs; one that nobody has waited for yet does not.
runs() {
  kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# Ray's processes are those of the session that its first one leads.
stop() {
  local folder=$1 pid
  pid=$(cat "$folder/ray.pid" 2>/dev/null || true)
  if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then
    for _ in $(seq 200); do
      runs "$pid" || break
      sleep 0.1
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -rf "$folder"
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
  local port
  for _ in $(seq 10); do
    port=$((20000 + RANDOM % 12000))
    answers "$port" || break
  done
  echo "$port"
}

# More processors than the machine has, so that jobs of several tests run at a time; a GPU that is none.
start() {
  local folder port agent pid
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kray.XXXX")
  trap 'tail -n 20 "$folder/log" >&2 || true; stop "$folder"' ERR
  # Of the agent too: Ray gives it the same port on every machine, and without it takes no job and does not say why.
  port=$(free_port) agent=$(free_port)
  RAY_USAGE_STATS_ENABLED=0 RAY_DISABLE_IMPORT_WARNING=1 setsid "$environment/bin/ray" start --head --block --port=0 \
    --node-ip-address=127.0.0.1 --include-dashboard=true --dashboard-host=127.0.0.1 --dashboard-port="$port" \
    --dashboard-agent-listen-port="$agent" \
    --num-cpus=16 --num-gpus=2 --object-store-memory=100000000 --temp-dir="$folder/ray" --disable-usage-stats \
    >"$folder/log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$folder/ray.pid"
  for _ in $(seq 240); do
    runs "$pid" || break
    if "$environment/bin/python" -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/api/version')" \
      2>/dev/null; then
      echo "export KEDGE_CI_RAY_FOLDER=$folder"
      echo "export KEDGE_TEST_RAY=http://127.0.0.1:$port"
      return 0
    fi
    sleep 0.5
  done
  echo 'Ray did not come up' >&2
  false
}

if [ "${1:-}" = stop ]; then
  stop "$2"
  exit 0
fi
make_environment
start
