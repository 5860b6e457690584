# shellcheck shell=bash disable=SC2034
about='three tcpcopies share one intercept, each with a port of its own'
wire=any
ours=yes

run() {
  local port
  nginx_start online
  nginx_start test
  intercept_start -i eth0 # which derives its filter from what they announce
  for port in 80 8080 8081; do
    tcpcopy_start "tcpcopy-$port" -x "$port-$TEST4:$port" -s "$ASSIST4" -i eth0
  done
  counting count_http
  for port in 80 8080 8081; do
    load_start client "ab-$port" ab -q -k -c 10 -n "$(size 5000 50000)" "http://$ONLINE4:$port/"
  done
  for port in 80 8080 8081; do load_end "ab-$port"; done
  all_arrived
}
