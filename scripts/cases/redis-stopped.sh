# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/server-stopped.sh
source "$ROOT/scripts/cases/server-stopped.sh"
about='the test Redis is paused for longer than -t, a pool of 50 connections: copying continues after its return'
unit=commands

run() {
  local limit
  limit=$(size 3 10)
  redis_start online
  redis_start test
  copying 6379 -t "$limit"
  counting count_redis
  load_start client pool "$HELD_CLIENT" --rate 200 "$((4 * limit + 10))" "$ONLINE4" 50 redis
  await 10 reached test 200 || fail 'no load'
  stands_still $((2 * limit)) "$(<test/redis.main)" 6379
  comes_back count_redis
}
