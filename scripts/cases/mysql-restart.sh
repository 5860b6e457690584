# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-shutdown.sh
source "$ROOT/scripts/cases/mariadb-shutdown.sh"
about='RESTART in many ways, which production refuses: the test server does not stop'

run() {
  export MYSQLD_PARENT_PID=$$ # a server without a supervisor refuses
  forbidden mysql restart
}
