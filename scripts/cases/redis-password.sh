# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis-reconnect.sh
source "$ROOT/scripts/cases/redis-reconnect.sh"
about='the same with a password, which differs on the test server'

run() {
  redis_config '[redis.users]' 'default = "of-test"'
  # The answers to AUTH and SELECT.
  REDIS_SETUP_BYTES=$((29 + 23))
  REDIS_PASSWORDS=(of-online of-test)
  redis_reconnect_case 10
  ledger_holds tcpcopy '.protocols.redis.sessions.password_replaced == 10' 'not all logins were replaced'
}
