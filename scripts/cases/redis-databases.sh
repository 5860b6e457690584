# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/redis.sh
source "$ROOT/scripts/lib/redis.sh"
about='a test Redis with fewer databases: nothing is written, no matter when the database is selected, and the log has the reason'
unit=writes
wire=any
ours=yes

run() {
  REDIS_PREFIX=key REDIS_TEST_ARGUMENTS=(--databases 3)
  # shellcheck disable=SC2119
  redis_servers
  # shellcheck disable=SC2119
  redis_copying
  local late
  for late in '' --late-select; do
    redis_write "writer$late" "$REDIS_PREFIX$late" --writes 2000 $late
    load_end "writer$late"
  done
  sleep 1
  copy_stop
  ! redis_state test info keyspace | grep -q '^db' || fail "writes: $(redis_state test info keyspace | paste -sd' ')"
  N_ONLINE=$(count_redis_keys online) N_TEST=0
  ((N_ONLINE == 4000)) || fail "the client wrote $N_ONLINE keys only"
  ledger_holds tcpcopy '.ledger.sessions.incomplete | add == 20' 'not all sessions are incomplete'
  grep -q 'refuses SELECT' tcpcopy.log || fail 'the log does not have the reason'
}
