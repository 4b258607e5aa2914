#!/usr/bin/env bash
# The real Debezium connectors for MySQL (3.6.1) and MariaDB (3.5.0, the newest that Maven Central has), embedded: see DebeziumLive.java.
#   debezium.sh install | bin          fetch and compile once into the cache | print their directory, exit status 3 when not installed
#   debezium.sh run mysql|mariadb      reads commands on stdin
# Needs Maven and a JDK 17 (a JRE without the module jdk.charsets does not know all sets of characters).
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
version() { sed -n "s/.*<debezium.version>\(.*\)<\/debezium.version>.*/\1/p" "$HERE/debezium-pom.xml"; }
DIST=$SERVICES_HOME/debezium-$(version)

fetch() { # fetch INTO VERSION CONNECTOR
  mvn -B -q -f "$HERE/debezium-pom.xml" -Ddebezium.version="$2" -Ddebezium.connector="$3" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$1" >&2 || die "Maven could not fetch Debezium"
}
install_into() {
  need mvn Maven; need javac 'a JDK 17'
  mkdir -p "$1"
  fetch "$1/mysql" "$(version)" mysql
  fetch "$1/mariadb" 3.5.0.Final mariadb
}
classes() { # compiled once per version of the source
  local c; c=$DIST/classes-$(cksum <"$HERE/DebeziumLive.java" | cut -d' ' -f1)
  compile_into() { mkdir -p "$1"; javac --release 17 -nowarn -d "$1" -cp "$DIST/mysql/*" "$HERE/DebeziumLive.java" >&2 || die "DebeziumLive.java does not compile"; }
  once "$c" compile_into; echo "$c"
}
case ${1:-} in
  install) once "$DIST" install_into; classes >/dev/null; say "$DIST";;
  bin) [ -e "$DIST/.ok" ] && echo "$DIST" || exit 3;;
  run)
    once "$DIST" install_into; c=$(classes)
    exec java -Xmx"${DEBEZIUM_HEAP:-700m}" -XX:TieredStopAtLevel="${DEBEZIUM_TIER:-1}" -XX:+UseSerialGC -Duser.timezone=UTC \
      -Dorg.slf4j.simpleLogger.defaultLogLevel="${DEBEZIUM_LOG:-error}" -cp "$c:$DIST/$2/*" DebeziumLive;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2;;
esac
