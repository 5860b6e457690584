# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/server-stopped.sh
source "$ROOT/scripts/cases/server-stopped.sh"
about='the test server is paused until -m 8 is reached: keep-alive clients are copied again after its return'

run() {
  local pid
  nginx_start online
  nginx_start test
  copying 80 -m 8
  counting count_http
  # 2 MB a second.
  load_start client pool "$HELD_CLIENT" --rate 500 "$(size 20 40)" "$ONLINE4" 50 http 4000
  await 10 reached test 500 || fail 'no load'
  pid=$(nginx_worker test)
  kill -STOP "$pid"
  await 15 memory_is_full || fail 'the limit of memory was not reached'
  sleep "$(size 1 10)" # the time is the fault itself
  kill -CONT "$pid"
  load_runs pool || fail 'the load was over before the server was back'
  comes_back count_http
}

memory_is_full() { [[ $(ledger tcpcopy '.ledger.bytes.dropped.memory_limit > 0' 2>&1) == true ]]; }
