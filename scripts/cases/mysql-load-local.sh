# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-load-local.sh
source "$ROOT/scripts/cases/mariadb-load-local.sh"
about='LOAD DATA LOCAL with large files: the same with MySQL 9'

run() { files_arrive mysql; }
