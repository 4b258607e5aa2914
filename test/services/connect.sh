#!/usr/bin/env bash
# Real Kafka Connect (one worker, distributed mode) with the real Debezium connector for Postgres, from Maven Central's jars, for tests.
#   connect.sh install | bin           fetch the jars once into the cache | print their directory, exit status 3 when not installed
#   connect.sh start BOOTSTRAP | stop  start the worker on that cluster, print its REST address | stop it
# CONNECT_DATA  directory of the worker's files (start, stop)   CONNECT_PORT  of its REST API on 127.0.0.1   CONNECT_HEAP (default 320m)
# Its topics are connect-configs, connect-offsets and connect-status, one partition each.
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
version() { sed -n "s/.*<$1.version>\(.*\)<\/$1.version>.*/\1/p" "$HERE/connect-pom.xml"; }
DIST=$SERVICES_HOME/connect-$(version kafka)-debezium-$(version debezium) JAVA=${JAVA:-java} HEAP=${CONNECT_HEAP:-320m}

install_into() {
  need mvn Maven; need java 'Java 17'
  mkdir -p "$1"
  mvn -B -q -f "$HERE/connect-pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1" >&2 ||
    die "Maven could not fetch Kafka Connect and Debezium"
}
data() { [ -n "${CONNECT_DATA:-}" ] || die "CONNECT_DATA names no directory"; D=$(readlink -m "$CONNECT_DATA"); }
# A process hit by SIGKILL answers kill -0 until it is reaped: its state tells.
alive() {
  local p; p=$(cat "$D/pid" 2>/dev/null) || return 1
  [ -r "/proc/$p/stat" ] && [ "$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | cut -c1)" != Z ]
}

start() {
  local url=http://127.0.0.1:${CONNECT_PORT:?} i
  [ -e "$DIST/.ok" ] || die "Kafka Connect is not installed: bash test/services/connect.sh install"
  mkdir -p "$D"
  cat >"$D/worker.properties" <<P
bootstrap.servers=$1
listeners=$url
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
group.id=connect
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=1
status.storage.partitions=1
offset.flush.interval.ms=500
P
  setsid "$JAVA" -Xmx"$HEAP" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$DIST/*" org.apache.kafka.connect.cli.ConnectDistributed "$D/worker.properties" >>"$D/log" 2>&1 </dev/null 9>&- &
  echo $! >"$D/pid"
  for ((i = 0; i < 900; i++)); do
    alive || { tail -20 "$D/log" | cut -c1-300 >&2; die "Kafka Connect died"; }
    # The health check answers 200 when the worker has read its topics.
    if python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1] + "/health", timeout=2)' "$url" 2>/dev/null; then echo "$url"; return; fi
    sleep 0.1
  done
  die "Kafka Connect was not ready in time"
}

case ${1:-} in
  install) once "$DIST" install_into; say "$DIST";;
  bin) [ -e "$DIST/.ok" ] && echo "$DIST" || exit 3;;
  start) data; start "${2:?bootstrap servers}";;
  # Nothing of it is wanted: no time is given to an orderly end.
  stop) data; if alive; then kill -KILL "$(cat "$D/pid")" || true; fi;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2;;
esac
