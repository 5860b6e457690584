# shellcheck shell=bash
# Faults that tcpcopy must find while it runs: each begins after a time of success, must be found within 10 s and be told as
# over within 10 s of its end.

FOUND_WITHIN=12 # seconds; the lab's machine is shared

# findings_load SECONDS: keep-alive clients, and clients that connect for each request.
findings_load() {
  load_start client kept "$HELD_CLIENT" --rate 100 "$1" "$ONLINE4" 10
  # shellcheck disable=SC2016
  load_start client anew bash -c 'end=$((SECONDS + $1)); while ((SECONDS < end)); do curl -s -m 2 -o /dev/null "http://$2/" || true; sleep 0.1; done' anew "$1" "$ONLINE4"
}

warnings() { grep -c "WARN .*\] $1: " "$CASE_DIR/tcpcopy.log" || true; }
endings() { grep -c "INFO .*\] $1: over after " "$CASE_DIR/tcpcopy.log" || true; }

# fault NAME BREAK [MEND]: BREAK is a command that causes the fault. It is mended by the command of the log, or by MEND.
fault() {
  local name=$1 break=$2 mend=${3:-} before ended started found over
  before=$(warnings "$name") ended=$(endings "$name") started=$SECONDS
  "$break"
  if ! await "$FOUND_WITHIN" more_than "$before" warnings "$name"; then
    fail "$name is not found: $(grep -c WARN "$CASE_DIR/tcpcopy.log") warnings, the last: $(grep WARN "$CASE_DIR/tcpcopy.log" | tail -n 1)"
    [[ -z $mend ]] || "$mend"
    return
  fi
  found=$((SECONDS - started))
  started=$SECONDS
  if [[ -n $mend ]]; then "$mend"; else cure "$name"; fi
  await "$FOUND_WITHIN" more_than "$ended" endings "$name" || fail "$name is not over after its cure"
  over=$((SECONDS - started))
  EXPECTED+=("$name")
  note "$name $found/$over s"
}
EXPECTED=()

# cure NAME: runs the command that the last warning names, on the host that it names. intercept and route-setup start from
# where they are in this tree.
cure() {
  local line host command
  line=$(grep "WARN .*\] $1: " "$CASE_DIR/tcpcopy.log" | tail -n 1)
  host=$(sed -n 's/.* on the \([a-z]*\) host: `.*/\1/p' <<<"$line")
  command=$(sed -n 's/.* host: `\([^`]*\)`.*/\1/p' <<<"$line")
  [[ $host != assistant ]] || host=assist
  command=${command//intercept -d -l \/var\/log\/intercept.log/$INTERCEPT_BIN -d -l $CASE_DIR/cured.log -P $CASE_DIR/cured.pid}
  PATH=$ROOT/scripts:$PATH on "$host" bash -c "$command" >>"$CASE_DIR/cures.log" 2>&1 || true
  if [[ $command == *cured.pid* ]]; then
    await 5 test -s "$CASE_DIR/cured.pid" || fail "$1: the cure starts no intercept"
    INTERCEPT=$(<"$CASE_DIR/cured.pid")
    record "$INTERCEPT"
  fi
}

# no_other_findings: nothing was found but what was caused.
no_other_findings() {
  local found expected
  found=$(sed -n 's/.* WARN .*watch\] \([a-z-]*\): .*/\1/p' "$CASE_DIR/tcpcopy.log" | sort | uniq -c | awk '{ print $2, $1 }')
  expected=$(printf '%s\n' "${EXPECTED[@]}" | sort | uniq -c | awk '{ print $2, $1 }')
  [[ $found == "$expected" ]] || fail "found ${found//$'\n'/, } instead of ${expected//$'\n'/, }"
}
