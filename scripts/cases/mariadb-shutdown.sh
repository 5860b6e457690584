# shellcheck shell=bash disable=SC2034
about='SHUTDOWN in many ways, which production refuses: the test server, where the user may do it, lives'
unit=commands
wire=any
ours=yes
needs=databases

run() { forbidden mariadb shutdown; }

# forbidden KIND VERB: the user has all rights on the test server only.
forbidden() {
  local host ways
  mkdir online
  printf "CREATE USER weak IDENTIFIED BY 'weak-online';\nGRANT ALL ON sbtest.* TO weak;\n" >online/users.sql
  sql_start online "$1"
  sql_server test "$1" weak
  sql_passwords 'weak = "weak-test"'
  sql_up
  for host in online test; do sql_ask "$host" 'CREATE TABLE sbtest.said (id INT)'; done
  sql_first_login "$1" weak
  sql_copying --config tcpcopy.toml
  counting_sql
  load ways "$PYTHON" "$ROOT/scripts/lib/sql-forbidden.py" "$ONLINE4" weak weak-online "$1" "$2"
  ways=$(tail -n 1 ways.log)
  await 5 sql_level Com_insert 2>ask.log || true
  alive "$(<test/sql.main)" || fail 'the test server is down'
  ((${#FAILURES[@]} == 0)) || exit 1
  sql_ended
  (($(sql_ask test 'SELECT COUNT(DISTINCT id) FROM sbtest.said') == ways)) || fail 'what follows a forbidden statement does not arrive'
  ledger_holds tcpcopy '.protocols.mysql.left_out.shutdown >= 1' 'it is not counted'
}
