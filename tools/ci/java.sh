#!/usr/bin/env bash
# Fetches MLflow's Java client from Maven Central and builds the program that tests run with it, for the next time too:
#   eval "$(tools/ci/java.sh)"     sets KEDGE_TEST_MLFLOW_JAVA to the folder that holds its classes and their libraries
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/retry.sh"

sources="$here/../../test/protocol/mlflow/java"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/kedge-ci/mlflow-java"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  packages=()
  command -v javac >/dev/null || packages+=(default-jdk-headless)
  command -v mvn >/dev/null || packages+=(maven)
  install_packages "${packages[@]}"
fi
stamp=$(javac -version 2>&1; cat "$sources"/pom.xml "$sources"/*.java)
if [ "$(cat "$folder/built" 2>/dev/null || true)" != "$stamp" ]; then
  rm -rf "$folder"
  mkdir -p "$folder/classes"
  retry mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$folder/lib" >&2
  javac -encoding UTF-8 -d "$folder/classes" -cp "$folder/lib/*" "$sources"/*.java >&2
  echo "$stamp" >"$folder/built"
fi
echo "export KEDGE_TEST_MLFLOW_JAVA=$folder"
