# Shared helpers for the test services. Sourced by the service scripts, not run.
# Binaries are cached in $TRIBUTARY_CACHE (default /var/tmp/tributary-cache-<uid>), data lives where the caller says.
# Nothing outside these directories is touched: the system's package database and
# apt sources stay as they are (debs are downloaded and unpacked, never installed).
set -euo pipefail
SERVICES_HOME=${TRIBUTARY_CACHE:-/var/tmp/tributary-cache-$(id -u)}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
# need COMMAND WHAT: a tool that must be on the machine already.
need() { command -v "$1" >/dev/null || die "$2 is not installed (no $1 on PATH)"; }

# private_apt NAME SUITE: fills $SERVICES_HOME/apt/NAME with lists of its own and
# exports APT_CONFIG for it. The mirror is the one the system already uses.
private_apt() {
  local d=$SERVICES_HOME/apt/$1 suite=$2 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  command -v apt-get >/dev/null || die "apt-get not found: this installer needs Debian or Ubuntu's apt"
  mirror=${DEBIAN_MIRROR:-$( (cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true) |
    sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' |
    grep -v security | sed -n 1p)}
  [ -n "$mirror" ] || die "no Debian mirror found in the apt sources; set DEBIAN_MIRROR"
  mkdir -p "$d"/lists/partial "$d"/cache/archives/partial
  echo "deb [signed-by=$keyring] $mirror $suite main" > "$d/sources.list"
  cat > "$d/apt.conf" <<C
Dir::State::Lists "$d/lists";
Dir::Cache "$d/cache";
Dir::Etc::sourcelist "$d/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Update::Post-Invoke-Success { "true"; };
C
  export APT_CONFIG=$d/apt.conf
  [ -n "$(find "$d/lists" -name '*Packages*' 2>/dev/null)" ] || apt-get -qq update >&2 || die "apt-get update failed"
}

# unpack_debs ROOT PACKAGE...: download into a scratch directory, unpack under ROOT.
unpack_debs() {
  local root=$1 tmp; shift
  tmp=$(mktemp -d "$SERVICES_HOME/debs.XXXXXX")
  (cd "$tmp" && apt-get -qq download "$@" >&2) || { rm -rf "$tmp"; die "apt-get download failed"; }
  mkdir -p "$root"
  for f in "$tmp"/*.deb; do dpkg -x "$f" "$root"; done
  rm -rf "$tmp"
}

# once DIR FUNCTION: run the installer one at a time, publish DIR by an atomic rename.
once() {
  local dir=$1 fn=$2
  [ -e "$dir/.ok" ] && return 0
  mkdir -p "$(dirname "$dir")"; chmod 755 "$SERVICES_HOME"
  (
    flock 9
    [ -e "$dir/.ok" ] && exit 0
    rm -rf "$dir" "$dir.tmp"; "$fn" "$dir.tmp"; touch "$dir.tmp/.ok"; mv "$dir.tmp" "$dir"
  ) 9>"$dir.lock"
}
