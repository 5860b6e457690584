# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/accounts.sh
source "$ROOT/scripts/lib/accounts.sh"
about='--copy-accounts: account statements run on the test server, but not those that production refused'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local users
  accounts_start mariadb
  # A user with no rights here, and all of them there.
  sql_ask online "CREATE USER weak IDENTIFIED BY 'weak-online'; GRANT ALL ON sbtest.* TO weak"
  sql_ask test "CREATE USER weak IDENTIFIED BY 'weak-test'; GRANT ALL ON *.* TO weak WITH GRANT OPTION"
  sql_passwords 'admin = "admin-test"' 'weak = "weak-test"'
  sql_copying --config tcpcopy.toml --copy-accounts
  counting_sql
  printf '%s;\n' 'CREATE USER refused' "SET PASSWORD FOR made = PASSWORD('y')" 'INSERT INTO said VALUES (2)' >weak.sql
  load admin mariadb --no-defaults --ssl=0 -h "$ONLINE4" -u admin -padmin-online sbtest \
    -e "CREATE USER made IDENTIFIED BY 'x'; GRANT SELECT ON sbtest.* TO made; INSERT INTO said VALUES (1)"
  # All statements in one packet, and one after the other.
  # shellcheck disable=SC2016
  load weak bash -c '"$@" --delimiter=// <<<"SELECT 1; CREATE USER refused//" || "$@" --force <weak.sql || true' \
    weak mariadb --no-defaults --ssl=0 -h "$ONLINE4" -u weak -pweak-online sbtest
  sql_ended
  users=$(sql_ask test "SELECT User FROM mysql.global_priv WHERE User IN ('made', 'refused')" | paste -sd' ')
  [[ $users == made ]] || fail "made on the test server: '$users'"
  [[ $(sql_ask test 'SHOW GRANTS FOR made') == *SELECT* ]] || fail 'no rights were given'
  (($(sql_ask test "SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'made' AND Priv LIKE CONCAT('%', PASSWORD('x'), '%')") == 1)) || fail 'a refused password is valid'
  [[ $(sql_ask test 'SELECT id FROM sbtest.said ORDER BY 1' | paste -sd' ') == '1 2' ]] || fail 'rows are missing'
}
