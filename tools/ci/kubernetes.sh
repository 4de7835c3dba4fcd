#!/usr/bin/env bash
# Starts an API server of Kubernetes of its own (kube-apiserver over etcd; no controllers, no nodes) on free loopback
# ports:
#   eval "$(tools/ci/kubernetes.sh)"             start; sets KEDGE_TEST_KUBERNETES (a kubeconfig) and
#                                                KEDGE_CI_KUBERNETES_FOLDER
#   tools/ci/kubernetes.sh stop <folder>         stop that one and delete its folder
# The programs are built once from the Go module proxy and kept for the next time. That takes several minutes of
# one core and 4 GB of memory, so this is run by hand; `npm test` replays what was recorded with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"
source "$here/go.sh"

version=v1.36.3
etcd_version=v3.6.8
cache="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci"
programs="$cache/kubernetes-$version"

build() {
  local go folder part program
  go=$(recent_go)
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-kubernetes.XXXXXX")
  export GOPATH="$folder/path" GOCACHE="$folder/cache" GOFLAGS='-modcacherw -buildvcs=false -mod=mod -p=1' CGO_ENABLED=0
  export GOMAXPROCS=1 GOTOOLCHAIN=auto
  mkdir -p "$folder/bin" "$folder/module" "$cache"
  cp -r "$here/kubernetes/." "$folder/module"
  cd "$folder/module"
  printf 'module kedge.dev/kubernetes\n\ngo 1.26.0\n\n' >go.mod
  # Its go.mod names its own parts by folders of its repository; as modules they have versions.
  retry "$go" mod download "k8s.io/kubernetes@$version" >&2
  {
    printf 'require (\n\tk8s.io/kubernetes %s\n\tgo.etcd.io/etcd/server/v3 %s\n)\n' "$version" "$etcd_version"
    printf '\nreplace (\n'
    sed -n 's|^[[:space:]]*\(k8s.io/[a-z-]*\) => ./staging/.*|\1|p' \
      "$folder/path/pkg/mod/cache/download/k8s.io/kubernetes/@v/$version.mod" |
      while read -r part; do printf '\t%s => %s %s\n' "$part" "$part" "v0.${version#v1.}"; done
    printf ')\n'
  } >>go.mod
  retry "$go" mod tidy >&2
  for program in ./etcd k8s.io/kubernetes/cmd/kube-apiserver; do
    echo "building $(basename "$program") with $("$go" env GOVERSION)" >&2
    nice -n 19 "$go" build -ldflags='-s -w' -o "$folder/bin/$(basename "$program")" "$program" >&2
  done
  rm -rf "$programs"
  mv "$folder/bin" "$programs"
  cd /
  rm -rf "$folder"
}

stop() {
  local folder=$1 name pid
  for name in apiserver etcd; do
    pid=$(cat "$folder/$name.pid" 2>/dev/null || true)
    if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then
      for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
      done
      kill -9 "$pid" 2>/dev/null || true
    fi
  done
  rm -rf "$folder"
}

free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return 0
    fi
  done
  return 1
}

# certificate <folder> <name> <subject> <extensions>   signed by the authority of the folder
certificate() {
  openssl req -newkey rsa:2048 -nodes -subj "$3" -keyout "$1/$2.key" -out "$1/$2.csr" 2>/dev/null
  openssl x509 -req -days 30 -in "$1/$2.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" -CAcreateserial \
    -extfile <(printf '%s' "$4") -out "$1/$2.crt" 2>/dev/null
}

# launch <folder> <name> <program> <arguments…>   in the background, with a log and the number of its process
launch() {
  local folder=$1 name=$2
  shift 2
  GOMAXPROCS=1 nohup "$@" >"$folder/$name.log" 2>&1 </dev/null &
  echo $! >"$folder/$name.pid"
}

start() {
  local folder etcd peer port
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-kubernetes.XXXXXX")
  etcd=$(free_port) peer=$(free_port) port=$(free_port)
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=kedge-test-authority \
    -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
  certificate "$folder" server /CN=kube-apiserver 'subjectAltName=IP:127.0.0.1,DNS:kubernetes.default.svc'
  certificate "$folder" admin /O=system:masters/CN=admin 'extendedKeyUsage=clientAuth'
  openssl genrsa -out "$folder/accounts.key" 2048 2>/dev/null
  cat >"$folder/kubeconfig" <<EOF
apiVersion: v1
kind: Config
current-context: kedge
contexts: [{ name: kedge, context: { cluster: kedge, user: admin } }]
clusters: [{ name: kedge, cluster: { server: 'https://127.0.0.1:$port', certificate-authority: ca.crt } }]
users: [{ name: admin, user: { client-certificate: admin.crt, client-key: admin.key } }]
EOF
  launch "$folder" etcd "$programs/etcd" --data-dir "$folder/etcd" --unsafe-no-fsync --log-level error \
    --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer"
  launch "$folder" apiserver "$programs/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd" \
    --bind-address 127.0.0.1 --secure-port "$port" --service-cluster-ip-range 10.0.0.0/24 --authorization-mode RBAC \
    --tls-cert-file "$folder/server.crt" --tls-private-key-file "$folder/server.key" --client-ca-file "$folder/ca.crt" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$folder/accounts.key" \
    --service-account-signing-key-file "$folder/accounts.key" --kubelet-preferred-address-types InternalIP \
    --feature-gates "PodLogsQuerySplitStreams=true${KEDGE_KUBERNETES_GATES:-}"
  for _ in $(seq 240); do
    if curl -sf --cacert "$folder/ca.crt" --cert "$folder/admin.crt" --key "$folder/admin.key" \
      "https://127.0.0.1:$port/readyz" >/dev/null; then
      echo "export KEDGE_CI_KUBERNETES_FOLDER=$folder"
      echo "export KEDGE_TEST_KUBERNETES=$folder/kubeconfig"
      return 0
    fi
    kill -0 "$(cat "$folder/apiserver.pid")" 2>/dev/null || break
    sleep 0.5
  done
  tail -n 20 "$folder"/*.log >&2
  stop "$folder"
  echo 'the control plane did not start' >&2
  return 1
}

if [ "${1:-}" = stop ]; then
  stop "$2"
  exit 0
fi
if [ ! -x "$programs/kube-apiserver" ]; then build; fi
start
