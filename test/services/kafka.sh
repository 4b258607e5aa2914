#!/usr/bin/env bash
# Real Apache Kafka (KRaft, no ZooKeeper) from Maven Central's jars, for tests.
#   kafka.sh install | bin             fetch the jars once into the cache | print their directory, exit status 3 when not installed
#   kafka.sh start | start3            one broker, or three (replication 3, min.insync.replicas 2); prints the bootstrap servers
#   kafka.sh kill N | restart N        SIGKILL broker N | start it again on its data (N: 1, 2, 3)
#   kafka.sh stop | destroy            stop all (stop also deletes nothing) | stop and delete the data
#   kafka.sh run CLASS ARGS...         any class of Kafka's tools, e.g. org.apache.kafka.tools.TopicCommand
# KAFKA_DATA   data directory          (all but install, bin, run need it)
# KAFKA_PORT   first of 30 TCP ports on 127.0.0.1 (default 54400). Broker N has KAFKA_PORT+10(N-1): plaintext (may do everything),
#              +1 controller, +2 SASL (PLAIN, SCRAM), +3 SASL over TLS, +4 TLS with client certificates; the last three are under ACLs
# KAFKA_TXN    2 (default), 1: transaction.version, that is how partitions come into a transaction; for new data
# KAFKA_HEAP   (default 320m)          KAFKA_TIER  1: C1 compiler only, starts with half the work (default; 4 for figures)
# Users of the secured listeners: alice / alice-secret (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512), OAUTHBEARER with unsigned tokens. Certificates are in KAFKA_DATA/tls.
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
VERSION=$(sed -n 's/.*<kafka.version>\(.*\)<\/kafka.version>.*/\1/p' "$HERE/kafka-pom.xml")
DIST=$SERVICES_HOME/kafka-$VERSION PORT=${KAFKA_PORT:-54400} HEAP=${KAFKA_HEAP:-320m} JAVA=${JAVA:-java}
CLUSTER=4L6g3nShT-eMCtK--X86sw

install_into() {
  need mvn Maven; need java 'Java 17'
  mkdir -p "$1"
  mvn -B -q -f "$HERE/kafka-pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1" >&2 || die "Maven could not fetch Kafka"
}
data() {
  [ -n "${KAFKA_DATA:-}" ] || die "KAFKA_DATA names no directory"
  D=$(readlink -m "$KAFKA_DATA")
  # A data directory keeps the port it was started with.
  [ ! -s "$D/port" ] || PORT=$(cat "$D/port")
}
# A process hit by SIGKILL answers kill -0 until it is reaped: its state tells.
alive() {
  local p; p=$(cat "$D/$1.pid" 2>/dev/null) || return 1
  [ -r "/proc/$p/stat" ] && [ "$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | cut -c1)" != Z ]
}
port() { echo $((PORT + ($1 - 1) * 10)); }

certificates() {
  local t=$D/tls name
  [ -e "$t/.ok" ] && return
  need openssl openssl; mkdir -p "$t"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Test CA' -keyout "$t/ca.key" -out "$t/ca.pem" 2>/dev/null
  for name in broker client; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$t/$name.key" -out "$t/$name.csr" 2>/dev/null
    openssl x509 -req -in "$t/$name.csr" -CA "$t/ca.pem" -CAkey "$t/ca.key" -CAcreateserial -days 3650 -out "$t/$name.pem" \
      -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
    cat "$t/$name.key" "$t/$name.pem" >"$t/$name.store.pem"
  done
  touch "$t/.ok"
}

conf() { # conf NODE VOTERS REPLICATION MIN_ISR
  local n=$1 p rf=$3 isr=$4; p=$(port "$1")
  cat >"$D/$n.properties" <<P
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$2
listeners=PLAINTEXT://127.0.0.1:$p,CONTROLLER://127.0.0.1:$((p + 1)),SASL_PLAINTEXT://127.0.0.1:$((p + 2)),SASL_SSL://127.0.0.1:$((p + 3)),SSL://127.0.0.1:$((p + 4))
advertised.listeners=PLAINTEXT://127.0.0.1:$p,SASL_PLAINTEXT://127.0.0.1:$((p + 2)),SASL_SSL://127.0.0.1:$((p + 3)),SSL://127.0.0.1:$((p + 4))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=$D/tls/broker.store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$D/tls/ca.pem
listener.name.ssl.ssl.client.auth=required
log.dirs=$D/data$n
num.partitions=1
default.replication.factor=$rf
min.insync.replicas=$isr
offsets.topic.replication.factor=$rf
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$rf
transaction.state.log.min.isr=$isr
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$rf
share.coordinator.state.topic.min.isr=$isr
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.heartbeat.interval.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
initial.broker.registration.timeout.ms=300000
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.segment.bytes=268435456
log.cleaner.backoff.ms=1000
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
P
  local l m
  for l in sasl_plaintext sasl_ssl; do
    echo "listener.name.$l.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";"
    echo "listener.name.$l.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
    for m in 256 512; do
      echo "listener.name.$l.scram-sha-$m.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"
    done
  done >>"$D/$n.properties"
}

boot() { # boot NODE: format when new, launch
  local n=$1 flags=()
  alive "$n" && return
  if [ ! -f "$D/data$n/meta.properties" ]; then
    "$JAVA" -Xmx128m -XX:TieredStopAtLevel=1 -cp "$DIST/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn kafka.tools.StorageTool format \
      -t $CLUSTER -c "$D/$n.properties" --ignore-formatted --feature "transaction.version=${KAFKA_TXN:-2}" --add-scram 'SCRAM-SHA-256=[name=alice,password=alice-secret]' \
      --add-scram 'SCRAM-SHA-512=[name=alice,password=alice-secret]' >"$D/$n.format.log" 2>&1 || { cat "$D/$n.format.log" >&2; die "format failed"; }
  fi
  [ "${KAFKA_TIER:-1}" = 1 ] && flags=(-XX:TieredStopAtLevel=1)
  setsid "$JAVA" -Xms128m -Xmx"$HEAP" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError "${flags[@]}" \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
    -cp "$DIST/*" kafka.Kafka "$D/$n.properties" >>"$D/$n.log" 2>&1 </dev/null 9>&- &
  echo $! >"$D/$n.pid"
}

# The socket opens before the broker may serve: it does once its own Metadata answer lists a broker.
ready() {
  local n=$1 i
  for ((i = 0; i < 900; i++)); do
    alive "$n" || { { grep -E 'ERROR|FATAL|OutOfMemory' "$D/$n.log" || true; tail -20 "$D/$n.log"; } | tail -40 | cut -c1-300 >&2; die "broker $n died"; }
    if python3 - "$(port "$n")" "$n" <<'Y' 2>/dev/null
import socket, struct, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1); s.settimeout(2)
b = struct.pack('>hhihi', 3, 1, 1, -1, 0)                       # Metadata v1, no client id, no topics
s.sendall(struct.pack('>i', len(b)) + b)
n = struct.unpack('>i', s.recv(4))[0]; d = b''
while len(d) < n: d += s.recv(n - len(d))
count = struct.unpack('>i', d[4:8])[0]; at = 8; ids = []
for _ in range(count):
    node, size = struct.unpack('>ih', d[at:at + 6]); ids.append(node); at += 6 + size + 4
    rack = struct.unpack('>h', d[at:at + 2])[0]; at += 2 + max(rack, 0)
sys.exit(0 if int(sys.argv[2]) in ids else 1)
Y
    then return 0; fi
    sleep 0.1
  done
  die "broker $n was not ready in time"
}

bootstrap() { local n out=''; for n in "$@"; do out+=${out:+,}127.0.0.1:$(port "$n"); done; echo "$out"; }
launch() { # launch NODE...
  [ -e "$DIST/.ok" ] || die "Kafka is not installed: bash test/services/kafka.sh install"
  mkdir -p "$D"; [ -s "$D/port" ] || echo "$PORT" >"$D/port"
  certificates
  local n voters='' rf=1 isr=1
  for n in "$@"; do voters+=${voters:+,}$n@127.0.0.1:$(($(port "$n") + 1)); done
  if [ $# = 3 ]; then rf=3 isr=2; fi
  for n in "$@"; do [ -s "$D/$n.properties" ] || conf "$n" "$voters" $rf $isr; done
  for n in "$@"; do boot "$n"; done
  for n in "$@"; do ready "$n"; done
  bootstrap "$@"
}

stop() {
  local n i
  for n in 1 2 3; do if alive $n; then kill "$(cat "$D/$n.pid")" 2>/dev/null || true; fi; done
  for n in 1 2 3; do
    for ((i = 0; i < 200; i++)); do alive $n || break; sleep 0.1; done
    if alive $n; then kill -KILL "$(cat "$D/$n.pid")" 2>/dev/null || true; fi
    rm -f "$D/$n.pid"
  done
}
kill_now() {
  local i
  if alive "$1"; then kill -KILL "$(cat "$D/$1.pid")" || true; fi
  for ((i = 0; i < 100; i++)); do alive "$1" || break; sleep 0.05; done
}

case ${1:-} in
  install) once "$DIST" install_into; say "$DIST";;
  bin) [ -e "$DIST/.ok" ] && echo "$DIST" || exit 3;;
  start) data; launch 1;;
  start3) data; launch 1 2 3;;
  kill) data; kill_now "$2";;
  restart) data; boot "$2"; ready "$2";;
  stop) data; stop;;
  # Nothing of the data is wanted: no time is given to an orderly end.
  destroy) data; for n in 1 2 3; do kill_now $n; done; rm -rf "$D";;
  run) shift; exec "$JAVA" -Xmx512m ${KAFKA_JVM:-} -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$DIST/*" "$@";;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2;;
esac
