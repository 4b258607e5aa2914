#!/usr/bin/env bash
# Confluent's own Python client as an independent reader of topics and user of a registry: see clients.py.
#   clients.sh install | read BOOTSTRAP REGISTRY TOPIC COUNT | registry URL [USER PASSWORD]
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
VENV=$SERVICES_HOME/kafka-clients-2.16.0
venv_into() {
  python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check 'confluent-kafka[avro,schemaregistry]==2.16.0' >&2
}
install() { need python3 'Python 3'; once "$VENV" venv_into; }
case ${1:-} in
  install) install;;
  read|registry) install; exec "$VENV/bin/python" "$HERE/clients.py" "$@";;
  *) sed -n '2,3s/^# \{0,1\}//p' "$0"; exit 2;;
esac
