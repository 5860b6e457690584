# shellcheck shell=bash disable=SC2034
about='-n 3 with Redis: commands arrive three times, counters are three times as high'
unit=commands
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  redis_start online
  redis_start test
  copying 6379 -n 3
  counting count_multiple_commands
  load benchmark redis-benchmark -h "$ONLINE4" -q -c 20 -n "$(size 5000 100000)" -t incr
  all_arrived
  local online test
  online=$(redis_ask online --raw get counter:__rand_int__) test=$(redis_ask test --raw get counter:__rand_int__)
  ((online > 0 && test == 3 * online)) || fail "the counter is $online on online, $test on test"
}

count_multiple_commands() {
  local count
  count=$(count_redis "$1")
  if [[ $1 == online ]]; then echo $((count * 3)); else echo "$count"; fi
}
