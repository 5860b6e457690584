# shellcheck shell=bash disable=SC2034
about='ab, one request for each connection, 50 at a time'
unit=connections

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load ab ab -q -c 50 -n "$(size 8000 40000)" "http://$ONLINE4/"
  all_arrived
}
