# shellcheck shell=bash disable=SC2034
about='SIGTERM to tcpcopy, SIGINT to intercept during load: a clean end'
wire=any
ours=yes

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c50 -d"$(size 3 6)" "http://$ONLINE4/"
  await 10 reached test 5000 || fail 'no load'
  tcpcopy_stop tcpcopy TERM
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ledger_holds tcpcopy '[.ledger.bytes.dropped | to_entries[] | select(.key != "shutdown").value] | add == 0' \
    'more is lost than what was under way'
  await 5 test_server_is_left || fail 'sessions stay open on the test server'
  intercept_stop INT
  load_runs wrk || fail 'the load ended too early'
  load_end wrk
  load_unharmed wrk
  (($(arrived online) > N_ONLINE)) || fail 'the online service stood still'
  grep -q 'replayed' tcpcopy.log || fail 'no ledger in the log'
}

test_server_is_left() { [[ -z $(on test ss -Htn state established 'sport = :80') ]]; }
