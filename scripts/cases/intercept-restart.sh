# shellcheck shell=bash disable=SC2034
about='intercept is killed and restarted during load; later sessions must be complete'
finds='intercept-away'

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c50 -d"$(size 3 6)" "http://$ONLINE4/"
  await 10 reached online 10000 || fail 'no load'
  intercept_stop KILL
  await 10 reached online 50000 || fail 'the online service stands still without intercept'
  intercept_start
  load_end wrk
  load_unharmed wrk
  await 10 more_than 0 count_links || stopped_short 'tcpcopy does not connect to intercept again' tcpcopy
  settle
  note "during the restart $N_TEST of $N_ONLINE arrived"
  counting count_http
  load ab ab -q -c 20 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
}
