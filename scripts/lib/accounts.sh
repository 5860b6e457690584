# shellcheck shell=bash
# The parts of cases with changes of accounts on the online server.

# accounts_start KIND [ARGUMENT...]: the servers; the arguments are for the test server.
accounts_start() {
  local kind=$1 host
  shift
  for host in online test; do
    sql_user "$host" app "app-$host"
    sql_user "$host" admin "admin-$host"
    echo "GRANT ALL ON *.* TO admin WITH GRANT OPTION;" >>"$host/users.sql"
  done
  sql_passwords 'app = "app-test"' 'admin = "admin-test"'
  sql_start online "$kind"
  [[ $* != *--skip-grant-tables* ]] || rm test/users.sql # no account can be made there
  sql_start test "$kind" "$@"
  sql_up
  for host in online test; do
    sql_ask "$host" 'CREATE TABLE sbtest.said (id INT); CREATE TABLE sbtest.admin (id INT)'
  done
  sql_first_login "$kind" admin
  sql_first_login "$kind" app
}

# accounts_changed KIND: the load, and what it leaves: all rows of the clients, and of the administrator's own.
accounts_changed() {
  local host table
  load accounts "$PYTHON" "$ROOT/scripts/lib/sql-accounts.py" "$ONLINE4" admin admin-online "$1"
  sql_ended
  for table in said admin; do
    for host in online test; do sql_ask "$host" "SELECT id FROM sbtest.$table" | sort >"$host/$table.rows"; done
    cmp -s {online,test}/"$table.rows" ||
      fail "$table: $(comm -23 {online,test}/"$table.rows" | wc -l) of $(wc -l <"online/$table.rows") rows are missing"
  done
  (($(wc -l <online/said.rows) == $(tail -n 1 accounts.log))) || fail 'the client has not written all rows'
}
