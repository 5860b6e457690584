# shellcheck shell=bash disable=SC2034
about='the test server can take a quarter of the load: the lag ends, and nothing is lost'
wire=any
ours=yes
fault=yes

run() {
  local count rate started
  count=$(size 6000 30000) rate=2000
  nginx_start online
  # "return" would come before the limit.
  NGINX_HTTP="limit_req_zone \$server_port zone=slow:1m rate=${rate}r/s; limit_req zone=slow burst=100000;" nginx_start test
  echo hello | tee online/get/file >test/get/file
  copying
  counting count_http
  started=$SECONDS
  load ab ab -q -k -c 50 -n "$count" "http://$ONLINE4/get/file"
  all_arrived
  # The lag is no longer than the slow server explains.
  ((SECONDS - started < 2 * count / rate + 6)) || fail "the copy took $((SECONDS - started)) s"
  account_whole
}
