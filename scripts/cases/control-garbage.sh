# shellcheck shell=bash disable=SC2034
about='random bytes, then a wrong version on the control port during load'
ours=yes

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c10 -d"$(size 3 6)" "http://$ONLINE4/"
  await 10 reached online 1000 || fail 'no load'
  intruder client "$CLIENT4" 'head -c 100000 /dev/urandom'
  # A hello (see docs/CONTROL_PROTOCOL.md) of a version that will not come soon.
  intruder test "$TEST4" "printf '\\0\\0\\0\\013\\001tcpcopy\\n\\377\\376'"
  load_runs wrk || fail 'the load was over too soon to tell'
  load_end wrk
  load_unharmed wrk
  all_arrived
  ledger_holds tcpcopy '[.intercepts[].connects] == [1]' 'the control connection of tcpcopy was lost'
}

# intruder HOST ADDRESS COMMAND: what the command says goes to the control port; intercept must cut the connection,
# with one line about that peer.
intruder() {
  local host=$1 address=$2 status=0 lines
  # shellcheck disable=SC2016
  on "$host" timeout 8 bash -c 'exec 3<>"/dev/tcp/$0/36524"; eval "$1" >&3; cat <&3' "$ASSIST4" "$3" \
    >/dev/null 2>&1 || status=$?
  ((status != 124)) || fail "intercept does not cut off: $3"
  await 5 grep -qF "$address" intercept.log || true
  lines=$(grep -cF "$address" intercept.log || true)
  ((lines == 1)) || fail "intercept says $lines lines about: $3"
}
