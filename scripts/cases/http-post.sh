# shellcheck shell=bash disable=SC2034
about='ab, POSTs of 20 KB, 20 keep-alive connections'
answers='equal shorter half longer random two-writes chunked slower'

run() {
  nginx_start online
  nginx_start test
  head -c 20480 /dev/urandom >body
  copying
  counting count_posts
  load ab ab -q -k -c 20 -n "$(size 6000 30000)" -p body -T application/octet-stream "http://$ONLINE4/post"
  all_arrived
}
