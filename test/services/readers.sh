#!/usr/bin/env bash
# Readers that share no code with ours: hudi-rs for a Hudi table, pyarrow and DuckDB's Python build for a Parquet file.
# s3://... in place of a path: see readers.py.
#   readers.sh install
#   readers.sh hudi-rs TABLE [--at T] [--begin T [--end T]] [--meta] | pyarrow FILE... | duckdb FILE... | schema FILE | slices TABLE... | export TABLE[@T]=FILE...
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
VENV=$SERVICES_HOME/readers
venv_into() {
  python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check hudi==0.5.0 pyarrow==21.0.0 duckdb==1.4.1 pytz >&2
}
# DuckDB would fetch its extension for S3 from its own site: here it comes as a package, for that version of DuckDB alone.
HTTPFS=$SERVICES_HOME/duckdb-httpfs-1.4.1
httpfs_into() { "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps --target "$1" duckdb-ext-httpfs==1.4.1.20251008 >&2; }
install() { need python3 "Python 3"; once "$VENV" venv_into; }
install_s3() { install; once "$HTTPFS" httpfs_into; DUCKDB_HTTPFS=$(find "$HTTPFS" -name httpfs.duckdb_extension); export DUCKDB_HTTPFS; }
case ${1:-} in
  install) install_s3;;
  hudi-rs|pyarrow|duckdb|schema|slices|export) install; if [[ "$*" == *s3://* ]]; then install_s3; fi; exec "$VENV/bin/python" "$HERE/readers.py" "$@";;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2;;
esac
