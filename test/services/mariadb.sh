#!/usr/bin/env bash
# A real MariaDB (10.11 of Debian 12, unpacked privately) for tests.
#   mariadb.sh install | bin | start | stop | kill | status | url | client [ARGS] | binlog [ARGS] | destroy
# MARIADB_DATA       data directory         (default ./.services/mariadb)
# MARIADB_PORT       TCP port               (default 54307, bound to 127.0.0.1)
# MARIADB_ARGS       more mariadbd options
# MARIADB_SERVER_ID  (default 1)
# Binlog: ROW, full row image, full row metadata. GTIDs are always on in MariaDB.
. "$(dirname "$(readlink -f "$0")")/common.sh"
. "$(dirname "$(readlink -f "$0")")/database.sh"
DATA=$(readlink -m "${MARIADB_DATA:-.services/mariadb}"); PORT=${MARIADB_PORT:-54307}
SUITE=${MARIADB_SUITE:-bookworm}
DIST=$SERVICES_HOME/mariadb-$SUITE
PID=$DATA/pid SOCK=$DATA/s
export LD_LIBRARY_PATH=$DIST/usr/lib/$(uname -m)-linux-gnu

install_into() {
  private_apt "$SUITE" "$SUITE"
  unpack_debs "$1" mariadb-server mariadb-server-core mariadb-client mariadb-client-core libmariadb3 mariadb-common \
    libaio1 liburing2 libsnappy1v5 libpmem1 libndctl6 libdaxctl1 libkmod2 libssl3 libpcre2-8-0 libncurses6 libtinfo6
  rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/mysql/mysql-test
}
server_opts=(--basedir="$DIST/usr" --lc-messages-dir="$DIST/usr/share/mysql" --plugin-dir="$DIST/usr/lib/mysql/plugin" --datadir="$DATA/db")
client() { "$DIST/usr/bin/mariadb" --no-defaults -uroot -S "$SOCK" "$@"; }

start() {
  once "$DIST" install_into
  alive "$PID" && { say "already running on port $PORT"; return; }
  [ ${#SOCK} -lt 107 ] || die "MARIADB_DATA is too long for a unix socket path"
  mkdir -p "$DATA"; own "$DATA"
  if [ ! -d "$DATA/db/mysql" ]; then
    rm -rf "$DATA/db"
    as_svc "$DIST/usr/bin/mariadb-install-db" --no-defaults --basedir="$DIST/usr" --datadir="$DATA/db" \
      --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >"$DATA.init.log" 2>&1 ||
      { grep -iE 'error|cannot|fail' "$DATA.init.log" >&2 || true; tail -5 "$DATA.init.log" >&2; die "mariadb-install-db failed (is every parent of $DATA readable by $(svc_user)?)"; }
    rm -f "$DATA.init.log"
  fi
  as_svc "$DIST/usr/sbin/mariadbd" --no-defaults "${server_opts[@]}" --port="$PORT" --bind-address=127.0.0.1 \
    --socket="$SOCK" --pid-file="$PID" --log-error="$DATA/err.log" --server-id="${MARIADB_SERVER_ID:-1}" --log-bin=bin --log-slave-updates \
    --binlog-format=ROW --binlog-row-image=FULL --binlog-row-metadata=FULL --gtid-strict-mode=ON \
    --innodb-flush-log-at-trx-commit=2 --sync-binlog=0 ${MARIADB_ARGS:-} </dev/null >>"$DATA/out.log" 2>&1 &
  await_server $! "$DATA/err.log" mariadbd
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
  binlog) shift; exec "$DIST/usr/bin/mariadb-binlog" --no-defaults "$@";;
  destroy) stop_pid "$PID" 60; rm -rf "$DATA";;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2;;
esac
