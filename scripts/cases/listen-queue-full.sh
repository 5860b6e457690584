# shellcheck shell=bash disable=SC2034
about='the listen queue of the test server holds 16 connections, and its server temporarily accepts none'
unit=connections
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  on test sysctl -q -w net.core.somaxconn=16
  nginx_start test
  copying
  counting count_http
  load_start client ab ab -q -c 50 -n "$(size 500 20000)" "http://$ONLINE4/"
  pause "$(size 0.3 2)" "$(nginx_worker test)"
  load_end ab
  all_arrived
  note "$(on test nstat -az TcpExtListenOverflows | awk '/^TcpExt/ { print $2 }') times the queue was full"
  ledger_holds tcpcopy '.ledger.tcp.syn_retries > 0' 'no SYN was sent again'
  account_whole
}
