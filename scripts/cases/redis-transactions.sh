# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis-reconnect.sh
source "$ROOT/scripts/cases/redis-reconnect.sh"
about='the same, each write is a transaction of three turns: commands that were queued but not executed do not count'

run() {
  # Of MULTI and EXEC.
  REDIS_WRITE_BYTES=$((15 + 14))
  redis_reconnect_case 10 --multi --rate 3000
  ledger_holds tcpcopy '.protocols.redis.sessions.transaction_cut > 0' 'no transaction was cut'
}
