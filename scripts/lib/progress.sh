# shellcheck shell=bash
# What takes long says what it is and for how long it has been at work, where there is a terminal to show it.

PROGRESS=

# working WHAT: from here on; worked ends it.
working() {
  worked
  [[ -t 1 ]] || return 0
  local what=$1 started=$SECONDS script=$$
  # Also when the script is ended in a way that nobody gets to say so.
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
