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
  await 5 test_server_is_left || fail 'sessions stay open on the test server'
  intercept_stop INT
  load_runs wrk || fail 'the load was over too soon to tell'
  load_end wrk
  load_unharmed wrk
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  grep -q 'replayed' tcpcopy.log || fail 'no ledger in the log'
  note 'the load went on after the end of tcpcopy'
}

test_server_is_left() { [[ -z $(on test ss -Htn state established 'sport = :80') ]]; }
