# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis-late.sh
source "$ROOT/scripts/cases/redis-late.sh"
about='the same without an account: nothing is written, and the log has the remedy'

run() {
  redis_late_case
  ((N_TEST == 0)) || fail "$N_TEST writes to a database that is not known"
  ledger_holds tcpcopy '.ledger.bytes.replayed == 0 and .ledger.bytes.dropped.state_unknown > 0' 'the loss has another reason'
  ledger_holds tcpcopy '.ledger.sessions.incomplete.state_unknown == 10' 'not all sessions are incomplete for it'
  grep -q 'online\.redis' tcpcopy.log || fail 'the log does not name [online.redis]'
}
