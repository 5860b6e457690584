# shellcheck shell=bash disable=SC2034
about='tcpcopy -C 2 with intercept -C 2, then with one worker; with another number it is refused'
wire=any
ours=yes

run() {
  nginx_start online
  nginx_start test
  counting count_http
  copy_with 2
  copy_with 1
  refused
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
}

copy_with() {
  intercept_start -i eth0 -C "$1"
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -C 2
  load "wrk-$1" wrk -t1 -c50 -d"$(size 1 6)" "http://$ONLINE4/"
  load_unharmed "wrk-$1"
  load "ab-$1" ab -q -c 50 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
  ledger_holds tcpcopy '.workers | length == 2 and all(.balanced and .sessions > 100)' 'a worker was idle'
  ledger_holds tcpcopy '([.workers[].bytes_replayed] | add) == .ledger.bytes.replayed' 'the workers do not add up'
}

refused() {
  local status=0
  intercept_start -i eth0 -C 3
  on online "${TCPCOPY_COMMAND[@]}" -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -C 2 >refused.log 2>&1 || status=$?
  ((status == 1)) || fail "tcpcopy -C 2 ended with status $status where intercept has -C 3"
  [[ $(grep -vc ' INFO ' refused.log) == 1 ]] || fail 'the refusal is not one line'
  grep -q 'run both with the same -C' refused.log || fail 'the refusal has no cure'
  grep -q 'run both with the same' intercept.log || fail 'intercept does not say why it refuses'
  intercept_stop
}
