# shellcheck shell=bash disable=SC2034
about='intercept is paused for 3 s'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c10 -d"$(size 4 10)" "http://$ONLINE4/"
  await 10 reached test 1000 || fail 'no load'
  pause 3 "$INTERCEPT"
  load_end wrk
  load_unharmed wrk
  all_arrived
  account_whole
}
