# Sourced: retry <command…> runs a command up to four times, because a package mirror sometimes does not answer.
retry() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return 0
    echo "attempt $attempt failed: $*" >&2
    sleep $((attempt * 5))
  done
  "$@"
}

# install_packages <package…> installs what is missing of Debian packages, as root, without recommendations.
install_packages() {
  local missing=() package state
  for package in "$@"; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$state" != installed ]; then missing+=("$package"); fi
  done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  echo "installing ${missing[*]}" >&2
  # One refresh does for all scripts of a run.
  local refreshed=/var/lib/apt/kedge-ci-refreshed
  if [ -z "$(find "$refreshed" -mmin -60 2>/dev/null || true)" ]; then
    if retry apt-get update -qq >&2; then
      touch "$refreshed"
    else
      echo 'the package lists could not be refreshed; going on with the old ones' >&2
    fi
  fi
  DEBIAN_FRONTEND=noninteractive retry apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
