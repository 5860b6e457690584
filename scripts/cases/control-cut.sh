# shellcheck shell=bash disable=SC2034
about='the control connection carries nothing from tcpcopy for 3 s'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c10 -d"$(size 4 10)" "http://$ONLINE4/"
  load_start client one-shot ab -q -c 5 -n "$(size 500 5000)" "http://$ONLINE4/"
  await 10 reached test 1000 || fail 'no load'
  control_cut 3
  load_end wrk
  load_end one-shot
  load_unharmed wrk
  all_arrived
  account_whole
}
