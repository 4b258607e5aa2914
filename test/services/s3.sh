#!/usr/bin/env bash
# A real S3 server for tests: versitygw (default) or MinIO, both built by "go install" from the Go proxy. Quicker ones that were
# tried let several writers win one conditional put, which makes them useless here.
#   s3.sh install | bin | start | stop | destroy
# install  builds the server once into the cache       bin  prints where it is, exit status 3 when it is not installed
# start    in the background; writes its id to DATA/pid and returns once it answers
# S3_SERVER  versitygw | minio          (default versitygw; a binary on PATH is used as it is)
# S3_DATA    data directory             (start, stop, destroy need it)
# S3_PORT    TCP port                   (default 54310, bound to 127.0.0.1)
# S3_ACCESS_KEY / S3_SECRET_KEY         (default testkey / testsecret)
. "$(dirname "$(readlink -f "$0")")/common.sh"
SERVER=${S3_SERVER:-versitygw} PORT=${S3_PORT:-54310}
AK=${S3_ACCESS_KEY:-testkey} SK=${S3_SECRET_KEY:-testsecret}
DIST=$SERVICES_HOME/$SERVER
case $SERVER in
  versitygw) MOD=github.com/versity/versitygw/cmd/versitygw@${S3_SERVER_VERSION:-v1.8.0};;
  minio) MOD=github.com/minio/minio@${S3_SERVER_VERSION:-latest};;
  *) die "S3_SERVER must be versitygw or minio";;
esac

install_into() {
  need go "Go (needed once, to build $SERVER; or put a $SERVER binary on PATH)"
  mkdir -p "$1"
  GOBIN=$1 GOFLAGS=-modcacherw CGO_ENABLED=0 go install -ldflags='-s -w' "$MOD" >&2 || die "go install $MOD failed"
}
known_bin() { BIN=$(command -v "$SERVER" || true); [ -n "$BIN" ] || { [ -e "$DIST/.ok" ] && BIN=$DIST/$SERVER; }; }
data() { [ -n "${S3_DATA:-}" ] || die "S3_DATA names no directory"; DATA=$(readlink -m "$S3_DATA") PID=$DATA/pid; }
alive() { [ -s "$PID" ] && kill -0 "$(head -1 "$PID")" 2>/dev/null; }

stop() {
  data
  alive || { rm -f "$PID"; return 0; }
  local p i; p=$(head -1 "$PID"); kill -TERM "$p" 2>/dev/null || true
  for ((i = 0; i < 100; i++)); do kill -0 "$p" 2>/dev/null || { rm -f "$PID"; return 0; }; sleep 0.1; done
  say "pid $p did not stop in 10 s: killing it"; kill -KILL "$p" 2>/dev/null || true; rm -f "$PID"
}

start() {
  data; known_bin || die "$SERVER is not installed: bash test/services/s3.sh install"
  alive && die "already running on $DATA"
  mkdir -p "$DATA/objects"
  if [ "$SERVER" = versitygw ]; then
    # Metadata of objects lives in extended attributes; where the file system has none, in a directory beside.
    local side=() probe=$DATA/objects/.xattr
    : > "$probe"; python3 -c 'import os,sys; os.setxattr(sys.argv[1],"user.t",b"1")' "$probe" 2>/dev/null ||
      { mkdir -p "$DATA/meta"; side=(--sidecar "$DATA/meta"); }
    rm -f "$probe"
    ROOT_ACCESS_KEY=$AK ROOT_SECRET_KEY=$SK setsid "$BIN" --port "127.0.0.1:$PORT" --quiet posix "${side[@]}" "$DATA/objects" \
      </dev/null >"$DATA/log" 2>&1 &
  else
    MINIO_ROOT_USER=$AK MINIO_ROOT_PASSWORD=$SK MINIO_BROWSER=off MINIO_UPDATE=off \
      setsid "$BIN" server --quiet --address "127.0.0.1:$PORT" "$DATA/objects" </dev/null >"$DATA/log" 2>&1 &
  fi
  local child=$! i; echo $child > "$PID"
  for ((i = 0; i < 1200; i++)); do
    kill -0 $child 2>/dev/null || break
    # Any HTTP answer (403 without credentials) means that it is up.
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && head -c 5 <&3 | grep -q HTTP) 2>/dev/null && return 0
    sleep 0.05
  done
  tail -20 "$DATA/log" >&2; stop; die "$SERVER did not start"
}

case ${1:-} in
  install) known_bin || once "$DIST" install_into; known_bin; say "$BIN";;
  bin) known_bin && echo "$BIN" || exit 3;;
  start) start;;
  stop) stop;;
  destroy) stop; rm -rf "$DATA";;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2;;
esac
