# shellcheck shell=bash disable=SC2034
about='the interface of the online host, which captures and sends, is down for a moment'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  on online sysctl -q -w net.ipv6.conf.eth0.keep_addr_on_down=1 # other cases need it
  copying
  counting count_http
  load_start client wrk wrk -t1 -c10 -d"$(size 3 10)" "http://$ONLINE4/"
  await 10 reached test 1000 || fail 'no load'
  ip -n "$(netns online)" link set eth0 down
  sleep 0.5
  ip -n "$(netns online)" link set eth0 up
  load_end wrk
  load_unharmed wrk
  all_arrived
  account_whole
}
