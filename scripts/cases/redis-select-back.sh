# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis-reconnect.sh
source "$ROOT/scripts/cases/redis-reconnect.sh"
about='the same, but the test server has more databases, and would accept a SELECT that the online server refuses'

run() {
  REDIS_SETUP_BYTES=75 REDIS_TEST_ARGUMENTS=(--databases 200)
  redis_reconnect_case 10 --late-select
}
