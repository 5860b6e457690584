# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-kills.sh
source "$ROOT/scripts/cases/mariadb-kills.sh"
about='KILL in many ways: the same with MySQL 9'

run() { kills mysql; }
