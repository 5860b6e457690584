# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/load-local.sh
source "$ROOT/scripts/lib/load-local.sh"
about='the test server refuses LOAD DATA LOCAL: a file whose blocks look like commands is left out and counted, what follows arrives'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() {
  local_servers mariadb 1 0
  large_file 6
  file_of_commands
  local_load commands pymysql_large connector_large commands
  sql_ended
  local_same said victims
  local_unharmed
  (($(sql_ask test 'SELECT COUNT(*) FROM sbtest.loaded') == 0)) || fail 'the test server takes files'
  # The file of commands is the shorter one: 4.9 MB.
  ledger_holds tcpcopy '.ledger.bytes.dropped.left_out > 4 * 4900000' 'not all bytes of the files are counted'
  ledger_holds tcpcopy '.protocols.mysql.left_out | keys == ["file"]' 'something other than files was left out'
  ledger_holds tcpcopy '.ledger.sessions.incomplete.left_out == 4' 'not all sessions with a lost file are incomplete'
}
