# shellcheck shell=bash disable=SC2034
about='the cable of the test host is unplugged for 2 s'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c10 -d"$(size 3 10)" "http://$ONLINE4/"
  await 10 reached test 1000 || fail 'no load'
  wire_cut test 2
  load_end wrk
  load_unharmed wrk
  all_arrived
  ledger_holds tcpcopy '.ledger.tcp.timeouts > 0' 'the cut left no trace'
  account_whole
}
