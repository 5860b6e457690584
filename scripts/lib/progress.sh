# shellcheck shell=bash
# Shows the name and the duration of a long step, if there is a terminal.

PROGRESS=

# working WHAT: from here on; worked ends it.
working() {
  worked
  [[ -t 1 ]] || return 0
  local what=$1 started=$SECONDS script=$$
  # Ends also with a script that is killed.
  while kill -0 "$script" 2>/dev/null; do
    printf '\r\033[K%-24s ...  (%s s)' "$what" "$((SECONDS - started))"
    sleep 1
  done &
  PROGRESS=$!
}

worked() {
  [[ -n $PROGRESS ]] || return 0
  kill "$PROGRESS" 2>/dev/null || true
  wait "$PROGRESS" 2>/dev/null || true
  PROGRESS=
  printf '\r\033[K'
}
