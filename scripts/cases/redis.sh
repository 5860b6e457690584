# shellcheck shell=bash disable=SC2034
about='redis-benchmark SET and INCR, 50 connections; the same data on both hosts'
unit=commands

run() { redis_case "$(size 20000 200000)" -P 1; }

redis_case() {
  local commands=$1
  shift
  redis_start online
  redis_start test
  copying 6379
  counting count_redis
  load benchmark redis-benchmark -h "$ONLINE4" -q -c 50 -n "$commands" -r 10000 -t set,incr "$@"
  all_arrived
  [[ $(redis_digest online) == "$(redis_digest test)" ]] || fail "the data differ"
}
