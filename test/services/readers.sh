#!/usr/bin/env bash
# Readers that share no code with ours: hudi-rs for a Hudi table, pyarrow and DuckDB's Python build for a Parquet file.
#   readers.sh install
#   readers.sh hudi-rs TABLE [--at T] [--begin T [--end T]] [--meta] | pyarrow FILE... | duckdb FILE... | schema FILE | slices TABLE... | export TABLE[@T]=FILE...
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
VENV=$SERVICES_HOME/readers
venv_into() {
  python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check hudi==0.5.0 pyarrow==21.0.0 duckdb==1.4.1 pytz >&2
}
install() { need python3 "Python 3"; once "$VENV" venv_into; }
case ${1:-} in
  install) install;;
  hudi-rs|pyarrow|duckdb|schema|slices|export) install; exec "$VENV/bin/python" "$HERE/readers.py" "$@";;
  *) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 2;;
esac
