# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/accounts.sh
source "$ROOT/scripts/lib/accounts.sh"
about='passwords and rights change on production: the test server keeps its own, later logins of copies work'
unit=commands
wire=any
ours=yes
needs=databases

run() { accounts mariadb; }

accounts() {
  accounts_start "$@"
  sql_copying --config tcpcopy.toml
  counting_sql
  accounts_changed "$1"
  ledger_holds tcpcopy '.protocols.mysql.left_out.accounts > 15' 'account statements are not counted'
  ledger_holds tcpcopy '.ledger.bytes.dropped.login_failed == 0' 'logins failed'
  (($(grep -c 'WARN.*account' tcpcopy.log) == 1)) || fail "$(grep -c 'WARN.*account' tcpcopy.log) lines about account statements instead of one"
}
