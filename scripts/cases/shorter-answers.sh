# shellcheck shell=bash disable=SC2034
about='the test server answers less than the online server does'

run() {
  nginx_start online
  SHORTER_ANSWERS=yes nginx_start test
  copying
  counting count_http
  load ab ab -q -k -c 20 -n "$(size 5000 50000)" "http://$ONLINE4/"
  all_arrived
}
