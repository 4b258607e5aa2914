# What the database servers' scripts share. Sourced by them after common.sh, not run.

# The user the database runs as. Servers refuse to run as root, so root steps down to one.
svc_user() { if [ "$(id -u)" = 0 ]; then echo "${SVC_USER:-nobody}"; else id -un; fi; }
as_svc() { # run a command as that user
  if [ "$(id -u)" = 0 ]; then
    local u; u=$(svc_user)
    setpriv --reuid="$u" --regid="$(id -g "$u")" --clear-groups -- env HOME=/nonexistent "$@"
  else "$@"; fi
}
own() { [ "$(id -u)" = 0 ] && chown -R "$(svc_user):$(id -g "$(svc_user)")" "$1" || true; }

alive() { [ -s "$1" ] && kill -0 "$(head -1 "$1")" 2>/dev/null; }
# stop_pid PIDFILE [SECONDS]: TERM, wait, and KILL only as a last resort.
stop_pid() {
  local p i n=${2:-20}
  alive "$1" || { rm -f "$1"; return 0; }
  p=$(head -1 "$1"); kill -TERM "$p" 2>/dev/null || true
  for ((i = 0; i < n * 10; i++)); do kill -0 "$p" 2>/dev/null || { rm -f "$1"; return 0; }; sleep 0.1; done
  say "pid $p did not stop in $n s: killing it"; kill -KILL "$p" 2>/dev/null || true; rm -f "$1"
}
# await_server PID LOG NAME: until `client` gets an answer (the sourcing script defines it).
await_server() {
  local i
  for ((i = 0; i < 600; i++)); do
    client -e 'select 1' >/dev/null 2>&1 && return 0
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  tail -20 "$2" >&2 || true; die "$3 did not start"
}
