#!/usr/bin/env bash
# Apache Hudi through PySpark 3.5: the oracle of the lake's format. Needs python3 with venv, Java 17 and Maven.
#   spark.sh install [0.15|1.0|1.1|1.2 ...]     default 0.15
#   spark.sh serve 0.15|1.0|1.1|1.2 [SOCKET PID]  JSON lines in and out, or on connections of a socket: see spark_hudi.py
#   spark.sh record 0.15|1.0|1.1|1.2 OUT [TABLE...]  tables with Spark's answers, as in test/golden/hudi: see record_hudi.py
#   spark.sh lock ROOT TABLE COUNTER ROUNDS     Hudi 1.2's own storage-based lock on a directory: see HudiLock.java (needs javac)
# HUDI_JVM = JVM flags instead of -XX:TieredStopAtLevel=1 (which suits short runs). Spark's own log: $HUDI_WORK/spark.err
. "$(dirname "$(readlink -f "$0")")/common.sh"
HERE=$(dirname "$(readlink -f "$0")")
VENV=$SERVICES_HOME/spark
declare -A RELEASE=([0.15]=0.15.0 [1.0]=1.0.2 [1.1]=1.1.1 [1.2]=1.2.0)
export HUDI_JARS=$SERVICES_HOME/hudi-jars

venv_into() { python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check 'pyspark==3.5.6' 'setuptools<80' >&2; }
fetch() {
  need mvn Maven
  mkdir -p "$2"
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact="$1" -DoutputDirectory="$2" >&2 || die "Maven could not fetch $1"
}
jar_into() { fetch "org.apache.hudi:hudi-spark3.5-bundle_2.12:$JAR" "$1"; }
# Hadoop's S3 client, of the version that Spark 3.5 comes with (280 MB).
s3a_into() { fetch org.apache.hadoop:hadoop-aws:3.3.4 "$1" && fetch com.amazonaws:aws-java-sdk-bundle:1.12.262 "$1"; }
install() {
  need java "a Java runtime (17)"; need python3 "Python 3"
  once "$VENV" venv_into
  once "$HUDI_JARS/s3a" s3a_into
  for v in "${@:-0.15}"; do JAR=${RELEASE[$v]:?unknown Hudi version $v}; once "$HUDI_JARS/$JAR" jar_into; done
}
case ${1:-} in
  install) shift; install "$@";;
  serve|record)
    script=spark_hudi.py; [ "$1" = serve ] || script=record_hudi.py
    shift; VERSION=${1:?which Hudi version?}; install "$VERSION"
    if [ -z "${HUDI_WORK:-}" ]; then HUDI_WORK=$(mktemp -d); trap 'rm -rf "$HUDI_WORK"' EXIT; fi
    export HUDI_WORK; mkdir -p "$HUDI_WORK"
    if [ $script = record_hudi.py ]; then mkdir -p "${2:?where to?}"; out=$(cd "$2" && pwd); shift 2; set -- "$VERSION" "$out" "$@"; fi
    cd "$HUDI_WORK"
    if [ $script = spark_hudi.py ]; then exec 2>"$HUDI_WORK/spark.err"; fi
    "$VENV/bin/python" "$HERE/$script" "$@";;
  lock)
    shift; install 1.2; need javac "a Java compiler (17)"
    classpath="$(echo "$HUDI_JARS"/1.2.0/hudi-spark*.jar):$(echo "$VENV"/lib/python3*/site-packages/pyspark/jars)/*"
    classes=$(mktemp -d); trap 'rm -rf "$classes"' EXIT
    javac -nowarn -d "$classes" -cp "$classpath" "$HERE/HudiLock.java" >&2
    java -XX:TieredStopAtLevel=1 -cp "$classes:$classpath" org.apache.hudi.client.transaction.lock.HudiLock "$@";;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2;;
esac
