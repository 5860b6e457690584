# shellcheck shell=bash disable=SC2034
about='0.5 % of the packets to the test host are dropped'

run() {
  nginx_start online
  nginx_start test
  copying
  lab_loss test 0.5
  counting count_http
  load wrk wrk -t1 -c50 -d"$(size 2 6)" "http://$ONLINE4/"
  load_unharmed wrk
  all_arrived
  note "$(lab_dropped test) packets dropped"
  (($(lab_dropped test) > 0)) || fail "nothing was dropped"
  ledger_holds tcpcopy '.ledger.tcp | .retransmitted > 0 and .fast_retransmits + .timeouts > 0' 'no recovery in the ledger'
  lab_loss test 0
}
