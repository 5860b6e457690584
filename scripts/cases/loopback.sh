# shellcheck shell=bash disable=SC2034
about='client and online service on the same host, no -i'

run() {
  nginx_start online
  nginx_start test
  answers_via_assist "$ONLINE4"
  intercept_start
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4"
  counting count_http
  load_on online keepalive ab -q -k -c 20 -n "$(size 10000 100000)" "http://$ONLINE4/"
  load_on online one-shot ab -q -c 20 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
}
