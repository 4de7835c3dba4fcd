#!/usr/bin/env bash
# Starts a Slurm cluster of one node of its own (munged, slurmctld, slurmd and slurmrestd of Debian), all on free
# loopback ports and in a temporary folder, as root:
#   eval "$(tools/ci/slurm.sh)"          start; sets KEDGE_TEST_SLURM (address with user and token) and
#                                        KEDGE_CI_SLURM_FOLDER
#   tools/ci/slurm.sh stop <folder>      stop that one and delete its folder
# Nothing of the machine is taken for granted: no systemd, no cgroups, no munged that runs already.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/retry.sh"

# Whether a process runs; one that nobody has waited for yet does not.
runs() {
  kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# The last started first. A daemon that does not end when asked is killed.
stop() {
  local folder=$1 name pid
  SLURM_CONF="$folder/slurm.conf" timeout 10 scancel --user=root 2>/dev/null || true
  for name in slurmrestd slurmd slurmctld munged; do
    pid=$(cat "$folder/$name.pid" 2>/dev/null || true)
    if [ -z "$pid" ] || ! kill "$pid" 2>/dev/null; then continue; fi
    for _ in $(seq 100); do
      runs "$pid" || break
      sleep 0.1
    done
    if runs "$pid"; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
  rm -rf "$folder"
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Three ports that nobody answers at.
choose_ports() {
  local first
  for _ in $(seq 50); do
    first=$((20000 + RANDOM % 20000))
    if answers "$first" || answers $((first + 1)) || answers $((first + 2)); then continue; fi
    echo "$first $((first + 1)) $((first + 2))"
    return 0
  done
  return 1
}

# More processors than the machine has, so that jobs of several tests run at a time; GPUs that are none.
write_configuration() {
  local folder=$1 controller_port=$2 node_port=$3 host=$4
  cat >"$folder/slurm.conf" <<END
ClusterName=kedge
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$folder/jwt.key
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
SlurmdParameters=config_overrides
GresTypes=gpu
DefMemPerNode=64
KillWait=5
MailProg=/bin/true
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=32000 Gres=gpu:2 State=UNKNOWN
PartitionName=kedge Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
  printf "Name=gpu File=/dev/%s\n" null zero >"$folder/gres.conf"
}

start_munge() {
  local folder=$1
  mkdir -m 755 "$folder/munge"
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  /usr/sbin/munged --force --num-threads=2 --key-file="$folder/munge.key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" >&2
}

# slurmrestd refuses to run as root or as the user of Slurm.
start_rest() {
  local folder=$1 port=$2
  SLURM_CONF="$folder/slurm.conf" SLURM_JWT=daemon setpriv --reuid=nobody --regid=nogroup --clear-groups \
    nohup slurmrestd -a rest_auth/jwt -s openapi/v0.0.38 "127.0.0.1:$port" \
    >"$folder/slurmrestd.log" 2>&1 </dev/null &
  echo $! >"$folder/slurmrestd.pid"
}

start() {
  local folder host controller_port node_port port token name pid
  folder=$(mktemp -d "${TMPDIR:-/tmp}/kedge-slurm.XXXXXX")
  trap 'tail -n 20 "$folder"/*.log >&2 || true; stop "$folder"' ERR
  chmod 755 "$folder"
  mkdir "$folder/state" "$folder/spool"
  host=$(hostname -s)
  read -r controller_port node_port port <<<"$(choose_ports)"
  write_configuration "$folder" "$controller_port" "$node_port" "$host"
  (umask 077 && head -c 32 /dev/urandom >"$folder/jwt.key")
  start_munge "$folder"
  export SLURM_CONF="$folder/slurm.conf"
  slurmctld >&2
  slurmd >&2
  start_rest "$folder" "$port"
  for _ in $(seq 300); do
    if answers "$port" && [ "$(timeout 5 sinfo --noheader --format=%T 2>/dev/null || true)" = idle ]; then
      token=$(scontrol token username=root lifespan=86400)
      echo "export KEDGE_CI_SLURM_FOLDER=$folder"
      echo "export KEDGE_TEST_SLURM=http://root:${token#SLURM_JWT=}@127.0.0.1:$port"
      return 0
    fi
    for name in slurmctld slurmd slurmrestd; do
      pid=$(cat "$folder/$name.pid" 2>/dev/null || true)
      if [ -n "$pid" ] && ! runs "$pid"; then break 2; fi
    done
    sleep 0.2
  done
  echo 'Slurm did not come up' >&2
  false
}

if [ "${1:-}" = stop ]; then
  stop "$2"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo 'Slurm starts jobs for others and therefore only as root' >&2
  exit 1
fi
install_packages munge slurmctld slurmd slurm-client slurmrestd slurm-wlm-basic-plugins slurm-wlm-jwt-plugin python3
start
