# shellcheck shell=bash disable=SC2034
about='h2load, POSTs of 20 KB (HTTP/1.1), 20 keep-alive connections'
answers='equal shorter half longer random two-writes chunked slower'

run() {
  nginx_start online
  nginx_start test
  head -c 20480 /dev/urandom >body
  copying
  counting count_posts
  # ab uses HTTP/1.0, which has no chunks: nginx would close each connection after them.
  load h2load h2load --h1 -t 1 -c 20 -n "$(size 6000 30000)" -d body "http://$ONLINE4/post"
  all_arrived
}
