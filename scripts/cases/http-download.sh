# shellcheck shell=bash disable=SC2034
about='curl of four large files; the test host must send its answers as fast'
unit=downloads

run() {
  nginx_start online
  nginx_start test
  DOWNLOAD=$(size 16777216 67108864)
  head -c "$DOWNLOAD" /dev/urandom | tee online/get/file >test/get/file
  copying
  counting count_http
  load curl curl -sS --fail --parallel "http://$ONLINE4/get/file?[1-4]" -o '/dev/null'
  all_arrived
  (($(count_full_downloads test) == 4)) || fail "$((4 - $(count_full_downloads test))) answers of the test server were cut short"
  note "slowest: online $(slowest_request online) s, test $(slowest_request test) s"
  awk -v test="$(slowest_request test)" -v online="$(slowest_request online)" 'BEGIN { exit !(test < 2 * online + 1) }' ||
    fail "the test server's sends are stalled"
}
