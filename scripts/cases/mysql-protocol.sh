# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-protocol.sh
source "$ROOT/scripts/cases/mariadb-protocol.sh"
about='PyMySQL and mysql-connector with MySQL 9: the same, and a login by public key'

run() { drivers mysql mysql; }
