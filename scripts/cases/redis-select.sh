# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis-reconnect.sh
source "$ROOT/scripts/cases/redis-reconnect.sh"
about='the same with a database that is selected late, and one that both servers refuse'

run() {
  # Two PINGs and two SELECTs each.
  REDIS_SETUP_BYTES=75
  redis_reconnect_case 10 --late-select
}
