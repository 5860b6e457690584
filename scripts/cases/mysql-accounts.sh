# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-accounts.sh
source "$ROOT/scripts/cases/mariadb-accounts.sh"
about='passwords and rights change on production: the same with MySQL 9'

run() { accounts mysql; }
