#!/usr/bin/env bash
# Installs the small programs that tests start: git lists the files for the tidy rules, strace watches system calls,
# openssl makes certificates.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/retry.sh"
install_packages ca-certificates git openssl procps strace util-linux
