# shellcheck shell=bash disable=SC2034
about='IPv6, keep-alive and one request for each connection'
ours=yes

run() {
  nginx_start online
  nginx_start test
  intercept_start -i eth0 -F 'tcp and src port 80'
  tcpcopy_start tcpcopy -x "80-[$TEST6]:80" -s "$ASSIST4" -i eth0
  counting count_http
  load keepalive ab -q -k -c 20 -n "$(size 10000 100000)" "http://[$ONLINE6]/"
  load one-shot ab -q -c 20 -n "$(size 2000 20000)" "http://[$ONLINE6]/"
  all_arrived
}
