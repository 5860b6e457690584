# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/load-local.sh
source "$ROOT/scripts/lib/load-local.sh"
about='production refuses LOAD DATA LOCAL, the test server would take it: the commands that follow at once arrive, none is taken for a file'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local_servers mariadb 0 1
  local_load refused
  sql_ended
  local_same said victims
  (($(sql_ask test 'SELECT COUNT(*) FROM sbtest.loaded') == 0)) || fail 'commands were taken for lines of a file'
  ledger_holds tcpcopy '.ledger.sessions.incomplete | add == 0' 'sessions are incomplete'
}
