# shellcheck shell=bash disable=SC2034
about='tcpcopy -C 2 with an intercept, which has one worker and refuses -C 2'
wire=any
ours=yes

run() {
  nginx_start online
  nginx_start test
  counting count_http
  refused
  intercept_start -i eth0
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -C 2
  load wrk wrk -t1 -c50 -d"$(size 1 6)" "http://$ONLINE4/"
  load_unharmed wrk
  load ab ab -q -c 50 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
  ledger_holds tcpcopy '.workers | length == 2 and all(.balanced and .sessions > 100)' 'a worker was idle'
  ledger_holds tcpcopy '([.workers[].bytes_replayed] | add) == .ledger.bytes.replayed' 'the workers do not add up'
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
}

refused() {
  local status=0
  on assist "${INTERCEPT_COMMAND[@]}" -i eth0 -C 2 >refused.log 2>&1 || status=$?
  ((status == 2)) || fail "intercept -C 2 ended with status $status"
  [[ $(wc -l <refused.log) == 1 ]] || fail 'the refusal is not one line'
}
