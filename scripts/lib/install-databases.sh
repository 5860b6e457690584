# shellcheck shell=bash
# Requirements of the cases with databases, installed once in $DATABASES: MySQL 9 in a root directory of its own
# (Debian 12 has none), the ed25519 plugin of MariaDB, empty servers with the tables of sysbench, drivers.
# No service is installed, nothing is written to /var/lib/mysql.

# shellcheck source=scripts/lib/databases.sh
source "$ROOT/scripts/lib/databases.sh"

install_databases() {
  LIBRARIES+=(python3-venv libmariadb3)
  install_packages mariadbd:mariadb-server-core mariadb-dump:mariadb-client sysbench:sysbench mmdebstrap:mmdebstrap
  mkdir -p "$DATABASES"
  local lock status=0
  exec {lock}>"$DATABASES.lock"
  flock "$lock" # another lab may be at it
  # Without one of them the other cases can still be run.
  made plugin ed25519_plugin || status=1
  made python python_drivers || status=1
  made mariadb mariadb_template || status=1
  { made mysql-root mysql_root && made mysql mysql_template; } || status=1
  # Only if their languages are installed, which are larger than everything else.
  ! has npm || ! has node || made node node_driver || true
  ! has javac || made java java_driver || true
  exec {lock}>&-
  return "$status"
}

# made NAME FUNCTION: FUNCTION makes a directory, which gets its name when it is whole.
made() {
  local name=$1 new=$DATABASES/$1.new
  [[ ! -e $DATABASES/$name ]] || return 0
  say "installing $DATABASES/$name (once)"
  rm -rf "$new"
  mkdir "$new"
  if ! "$2" "$new" >"$DATABASES/$name.log" 2>&1; then
    warn "no $name: $(tail -n 1 "$DATABASES/$name.log"); see $DATABASES/$name.log"
    return 1
  fi
  mv "$new" "$DATABASES/$name"
}

# The one file of mariadb-server that is not in its -core package, without the service that comes along.
ed25519_plugin() (
  cd "$1" &&
    download mariadb-server &&
    dpkg-deb -x mariadb-server_*.deb package &&
    mv package/usr/lib/mysql/plugin/auth_ed25519.so . &&
    rm -rf package mariadb-server_*.deb
)

# download PACKAGE: its file, here.
download() {
  local get=(apt-get -qq -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=120)
  "${get[@]}" download "$1" || { "${get[@]}" update && "${get[@]}" download "$1"; }
}

python_drivers() {
  # A virtual environment does not bear to be renamed.
  rm -rf "$DATABASES/python-drivers"
  /usr/bin/python3 -m venv "$DATABASES/python-drivers" &&
    "$DATABASES/python-drivers/bin/pip" -q install PyMySQL cryptography mysql-connector-python
}

has() { command -v "$1" >/dev/null; }

node_driver() { npm install --silent --no-audit --no-fund --prefix "$1" mysql2; }

java_driver() (
  cd "$1" &&
    download libmariadb-java &&
    dpkg-deb -x libmariadb-java_*.deb package &&
    cp -L package/usr/share/java/mariadb-java-client.jar . &&
    rm -rf package libmariadb-java_*.deb
)

mysql_root() {
  mmdebstrap --quiet --variant=essential --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='APT::Sandbox::User "root"' --include=mysql-server-core,mysql-client-core sid "$1" &&
    mkdir -p "$1$LAB_STATE"
}

mariadb_template() {
  mariadb-install-db --no-defaults --force --user=root --auth-root-authentication-method=normal --skip-test-db \
    --datadir="$1" --skip-log-bin &&
    sysbench_tables "$1" "${MARIADBD[@]}"
}

mysql_template() {
  unshare -m "${MYSQL_ROOT[@]}" "${MYSQLD[@]}" --innodb-fast-shutdown=1 --initialize-insecure --datadir="$1" &&
    sysbench_tables "$1" unshare -m "${MYSQL_ROOT[@]}" "${MYSQLD[@]}"
}

# sysbench_tables DIRECTORY COMMAND...: fills the data directory of a server without a network.
sysbench_tables() (
  local data=$1 socket=$DATABASES/sql.sock pid status=0
  shift
  rm -f "$socket"
  "$@" --datadir="$data" --socket="$socket" --skip-networking --innodb-fast-shutdown=1 &
  pid=$!
  { await 30 mariadb --no-defaults -S "$socket" -u root -e 'CREATE DATABASE sbtest' 2>/dev/null &&
    sysbench oltp_read_write --db-driver=mysql --mysql-socket="$socket" --mysql-user=root --mysql-db=sbtest \
      --tables="$SQL_TABLES" --table-size="$SQL_ROWS" --rand-seed=1 --threads=1 prepare; } || status=$?
  kill "$pid"
  wait "$pid" || status=$?
  return "$status"
)
