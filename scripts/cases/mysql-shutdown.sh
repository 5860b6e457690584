# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-shutdown.sh
source "$ROOT/scripts/cases/mariadb-shutdown.sh"
about='SHUTDOWN in many ways: the same with MySQL 9'

run() { forbidden mysql shutdown; }
