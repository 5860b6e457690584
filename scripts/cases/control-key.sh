# shellcheck shell=bash disable=SC2034
about='a shared key: strangers, recorded and broken handshakes, wrong keys and a fake intercept learn and displace nothing'
ours=yes

run() {
  local line hex
  nginx_start online
  nginx_start test
  for line in copy other; do
    "${INTERCEPT_COMMAND[@]}" --new-key "$line.key" >"$line.txt" || fail "no $line.key"
  done
  [[ $(stat -c %a copy.key) == 600 ]] || fail "mode of the key: $(stat -c %a copy.key)"
  ! "${INTERCEPT_COMMAND[@]}" --new-key copy.key 2>again.log || fail 'a key was overwritten'
  # One tcpcopy by way of somebody who records.
  intercept_start -i eth0 -F 'tcp and src port 80' --key-file copy.key
  load_start assist relay python3 "$ROOT/scripts/lib/strangers.py" relay "$ASSIST4" recorded
  await 5 listening assist 36600 || fail 'the relay does not listen'
  tcpcopy_start recorded -x "80-$TEST4:80" -s "$ASSIST4:36600" --key-file copy.key
  load ab ab -q -c 5 -n 200 "http://$ONLINE4/"
  tcpcopy_stop recorded
  # The target, as a route has it.
  # shellcheck disable=SC2086
  hex=$(printf '04%02x%02x%02x%02x0050' ${TEST4//./ })
  [[ -s recorded ]] || fail 'nothing was recorded'
  ! od -An -v -tx1 recorded | tr -d ' \n' | grep -q "$hex" || fail 'what passes is not secret'
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" --key-file copy.key
  grep -q 'with the key' intercept.log || fail 'intercept does not say that there is a key'
  counting count_http
  load_start client wrk wrk -t1 -c20 -d"$(size 8 12)" "http://$ONLINE4/"
  stranger 'refused 8' replay recorded
  stranger 'refused 6' hello 5
  stranger 'refused 6' hello 4
  stranger 'ended after [3-7] s' truncated
  stranger_tcpcopy 'the keys differ' --key-file other.key
  stranger_tcpcopy 'it wants a key'
  load_end wrk
  load_unharmed wrk
  all_arrived
  ledger_holds tcpcopy '[.intercepts[] | .connects, .disconnects] == [1, 0]' 'the control connection of tcpcopy was lost'
  (($(grep -c WARN intercept.log) <= 3)) || fail "$(grep -c WARN intercept.log) warnings of intercept"
  tcpcopy_stop tcpcopy
  intercept_stop
  intercept_start -i eth0 -F 'tcp and src port 80'
  stranger_tcpcopy 'it has no key' --key-file copy.key
  grep -q 'WARN.*no key' intercept.log || fail 'intercept does not warn that it has no key'
  intercept_stop
  load_start assist fake python3 "$ROOT/scripts/lib/strangers.py" fake "$ASSIST4"
  await 5 listening assist "$CONTROL_PORT" || fail 'the fake intercept does not listen'
  stranger_tcpcopy 'does not prove that it has the key' --key-file copy.key
  end "${LOAD[fake]}" TERM || true
  grep -q '^opening' fake.log || fail 'the fake intercept was not asked'
  ! grep -q '^more' fake.log || fail "the fake intercept was told something: $(tail -n 1 fake.log)"
}

# stranger PATTERN KIND...: what a stranger on the client host says.
stranger() {
  local said
  said=$(on client timeout 20 python3 "$ROOT/scripts/lib/strangers.py" "$2" "$ASSIST4" "${@:3}" 2>&1) || true
  [[ $said =~ ^$1$ ]] || fail "stranger ${*:2}: $said instead of $1"
}

# stranger_tcpcopy PATTERN FLAG...: a tcpcopy that cannot start, and says why.
stranger_tcpcopy() {
  local said
  said=$(on online timeout 20 "${TCPCOPY_COMMAND[@]}" -x "8089-$TEST4:8089" -s "$ASSIST4" "${@:2}" 2>&1) || true
  [[ $said == *"$1"* ]] || fail "tcpcopy ${*:2}: $said"
}
