# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-accounts.sh
source "$ROOT/scripts/cases/mariadb-accounts.sh"
about='passwords and rights change on production, the test server runs with --skip-grant-tables: later logins of copies work'

run() { accounts mariadb --skip-grant-tables; }
