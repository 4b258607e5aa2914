#!/usr/bin/env bash
# A real MySQL (9.x, from Debian sid, unpacked privately) for tests.
#   mysql.sh install | bin | start | stop | kill | status | url | client [ARGS] | binlog [ARGS] | destroy
# MYSQL_DATA       data directory       (default ./.services/mysql)
# MYSQL_PORT       TCP port             (default 54306, bound to 127.0.0.1)
# MYSQL_ARGS       more mysqld options  (e.g. "--binlog-transaction-compression=ON")
# MYSQL_SERVER_ID  (default 1)
# Binlog: ROW, full row image, full row metadata, GTID on. root without a password.
. "$(dirname "$(readlink -f "$0")")/common.sh"
. "$(dirname "$(readlink -f "$0")")/database.sh"
DATA=$(readlink -m "${MYSQL_DATA:-.services/mysql}"); PORT=${MYSQL_PORT:-54306}
DIST=$SERVICES_HOME/mysql-sid EMPTY=$SERVICES_HOME/mysql-sid-empty
LIB=$DIST/usr/lib/$(uname -m)-linux-gnu
case $(uname -m) in x86_64) LD=ld-linux-x86-64.so.2;; aarch64) LD=ld-linux-aarch64.so.1;; *) die "unsupported machine";; esac
PID=$DATA/pid SOCK=$DATA/s

install_into() {
  private_apt sid sid
  local deps
  deps=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    mysql-server-core mysql-client-core | grep '^[a-z0-9]' | sort -u |
    grep -Ev 'perl|gdbm|openssl-provider|sasl2-modules|debconf|dpkg|^tar$|coreutils|init-system' || true)
  # virtual packages in the list cannot be downloaded
  deps=$(apt-cache --no-all-versions show $deps 2>/dev/null | sed -n 's/^Package: //p' | sort -u)
  unpack_debs "$1" mysql-server-core mysql-client-core mysql-server mysql-client $deps
  rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
}
# sid's binaries need sid's libc, so they are started through sid's loader
exe() { local b=$1; shift; echo "$LIB/$LD" --library-path "$LIB" "$DIST/$b" --no-defaults "$@"; }
server() {
  as_svc $(exe usr/sbin/mysqld) --basedir="$DIST/usr" --lc-messages-dir="$DIST/usr/share/mysql" \
    --character-sets-dir="$DIST/usr/share/mysql/charsets" --plugin-dir="$DIST/usr/lib/mysql/plugin" \
    --datadir="$DATA/db" --secure-file-priv= "$@"
}
client() { $(exe usr/bin/mysql) -uroot -S "$SOCK" "$@"; }

keep_empty() {
  (
    flock 9
    [ -e "$EMPTY/.ok" ] && exit 0
    rm -rf "$EMPTY"; mkdir -p "$EMPTY"; cp -a "$DATA/db" "$EMPTY/db"; touch "$EMPTY/.ok"
  ) 9>"$EMPTY.lock"
}
start() {
  once "$DIST" install_into
  alive "$PID" && { say "already running on port $PORT"; return; }
  [ ${#SOCK} -lt 107 ] || die "MYSQL_DATA is too long for a unix socket path"
  mkdir -p "$DATA"; own "$DATA"
  if [ ! -d "$DATA/db/mysql" ]; then
    rm -rf "$DATA/db"
    # Initialising takes longer than everything else: the result is kept and copied. A server makes its own identity when it has none.
    if [ -e "$EMPTY/.ok" ]; then cp -a "$EMPTY/db" "$DATA/db"
    else
      server --initialize-insecure --log-error="$DATA/init.log" || { tail -20 "$DATA/init.log" >&2; die "initialize failed (is every parent of $DATA readable by $(svc_user)?)"; }
      rm -f "$DATA/db/auto.cnf"
      keep_empty
    fi
  fi
  server --port="$PORT" --bind-address=127.0.0.1 --socket="$SOCK" --pid-file="$PID" --log-error="$DATA/err.log" \
    --mysqlx=OFF --server-id="${MYSQL_SERVER_ID:-1}" --log-bin=bin --binlog-format=ROW --binlog-row-image=FULL --binlog-row-metadata=FULL \
    --gtid-mode=ON --enforce-gtid-consistency=ON --innodb-flush-log-at-trx-commit=2 --sync-binlog=0 \
    --performance-schema=OFF ${MYSQL_ARGS:-} </dev/null >>"$DATA/out.log" 2>&1 &
  await_server $! "$DATA/err.log" mysqld
}
case ${1:-} in
  bin) [ -e "$DIST/.ok" ] && echo "$DIST" || exit 3;;
  install) once "$DIST" install_into;;
  start) start;;
  stop) stop_pid "$PID" 60;;
  kill) alive "$PID" && kill -KILL "$(head -1 "$PID")"; rm -f "$PID";;
  status) alive "$PID" && echo "running pid $(cat "$PID") port $PORT" || { echo stopped; exit 3; };;
  url) echo "mysql://root@127.0.0.1:$PORT";;
  client) shift; client "$@";;
  binlog) shift; exec $(exe usr/bin/mysqlbinlog) "$@";;
  destroy) stop_pid "$PID" 60; rm -rf "$DATA";;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2;;
esac
