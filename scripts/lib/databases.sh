# shellcheck shell=bash
# MariaDB and MySQL on the online and the test host, sysbench to load them, and how much reached them.
# Their programs are in $DATABASES, see install-databases.sh.

DATABASES=$LAB_STATE/.databases-1
SQL_TABLES=10 SQL_ROWS=1000
# shellcheck disable=SC2034
PYTHON=$DATABASES/python-drivers/bin/python # with the drivers of MySQL

# Both use little memory, and no durability, because the data are temporary.
SQL_OPTIONS=(
  --no-defaults --user=root --skip-log-bin --skip-name-resolve --performance-schema=OFF
  --max-connections=1000 --back-log=1000 --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0
  --skip-innodb-doublewrite --innodb-fast-shutdown=2
)
MARIADBD=(mariadbd "${SQL_OPTIONS[@]}" --plugin-dir="$DATABASES/plugin" --plugin-load-add=auth_ed25519
  --innodb-log-file-size=16M --innodb-data-file-path=ibdata1:4M:autoextend --innodb-temp-data-file-path=ibtmp1:4M:autoextend)
MYSQLD=(mysqld "${SQL_OPTIONS[@]}" --mysqlx=OFF --secure-file-priv= --innodb-redo-log-capacity=16M)

# MYSQL_ROOT COMMAND...: in the root directory that MySQL came in, with the lab's files at their usual place. A network
# namespace has mounts of its own, so this one goes with the command.
# shellcheck disable=SC2016
MYSQL_ROOT=(sh -c 'root=$1 lab=$2; shift 2; mount --bind "$lab" "$root$lab" && exec chroot "$root" "$@"' mysql-root
  "$DATABASES/mysql-root" "$LAB_STATE")

# sql_start HOST mariadb|mysql [ARGUMENT...]: a server on port 3306 with the tables of sysbench, data in
# $CASE_DIR/HOST/data. The statements of sql_user run first. sql_up waits until all started servers answer.
declare -A SQL_STARTED=()
sql_start() {
  local host=$1 kind=$2 dir=$CASE_DIR/$1 command users=()
  shift 2
  mkdir -p "$dir"
  [[ -e $dir/data ]] || cp -a --sparse=always "$DATABASES/$kind" "$dir/data"
  [[ ! -e $dir/users.sql ]] || users=(--init-file="$dir/users.sql")
  case $kind in
    mariadb) command=("${MARIADBD[@]}") ;;
    mysql) command=("${MYSQL_ROOT[@]}" "${MYSQLD[@]}") ;;
  esac
  rm -f "$dir/sql.sock"
  spawn "$host" "$dir/sql.log" "${command[@]}" --datadir="$dir/data" --socket="$dir/sql.sock" --port=3306 "${users[@]}" "$@"
  printf '%s' "$SPAWNED" >"$dir/sql.main"
  SQL_STARTED[$host]=$kind
}

sql_up() {
  local host
  for host in "${!SQL_STARTED[@]}"; do
    await 30 sql_answers "$host" ||
      die "${SQL_STARTED[$host]} does not start on $host: $(grep -F -e '[ERROR]' "$CASE_DIR/$host/sql.log" | tail -n 1)"
  done
  SQL_STARTED=()
}

sql_answers() { listening "$1" 3306 && sql_ask "$1" 'DO 1' >/dev/null 2>&1; }

# sql_stop HOST [SIGNAL]
sql_stop() { end "$(<"$CASE_DIR/$1/sql.main")" "${2:-TERM}" 15; }

# sql_server HOST mariadb|mysql USER[:PLUGIN]... [-ARGUMENT...]: as sql_start, with users whose passwords are USER-HOST.
sql_server() {
  local host=$1 kind=$2 word arguments=()
  shift 2
  for word; do
    case $word in
      -*) arguments+=("$word") ;;
      *:*) sql_user "$host" "${word%:*}" "${word%:*}-$host" "${word#*:}" ;;
      *) sql_user "$host" "$word" "$word-$host" ;;
    esac
  done
  sql_start "$host" "$kind" "${arguments[@]}"
}

# sql_servers KIND USER[:PLUGIN]... [-ARGUMENT...]: the same on both hosts, and tcpcopy.toml for these users.
sql_servers() {
  local word lines=()
  sql_server online "$@"
  sql_server test "$@"
  for word in "${@:2}"; do
    [[ $word == -* ]] || lines+=("${word%:*} = \"${word%:*}-test\"")
  done
  sql_passwords "${lines[@]}"
}

# sql_user HOST NAME PASSWORD [PLUGIN]: a user with all rights, from the server's next start on; PLUGIN is one of MariaDB's.
sql_user() {
  local how="BY '$3'"
  [[ -z ${4:-} ]] || how="VIA $4 USING PASSWORD('$3')"
  mkdir -p "$CASE_DIR/$1"
  printf "CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED %s;\nGRANT ALL ON *.* TO '%s'@'%%';\n" "$2" "$how" "$2" \
    >>"$CASE_DIR/$1/users.sql"
}

# sql_first_login KIND USER: the drivers of Python want MySQL's public key without TLS, which is needed for the first login only.
sql_first_login() {
  [[ $1 != mariadb ]] || return 0
  on client "${MYSQL_ROOT[@]}" mysql --no-defaults -h "$ONLINE4" -u "$2" -p"$2-online" --ssl-mode=DISABLED --get-server-public-key -e 'DO 1' \
    >known.log 2>&1 || stopped_short 'no first login' known
}

# sql_ask HOST STATEMENT: as the administrator, by the server's socket.
sql_ask() { mariadb --no-defaults -BN -S "$CASE_DIR/$1/sql.sock" -u root -e "$2"; }

# Commands that a host's server has been given, by kind, this question left out, and of the test host's those that a
# case declares as the copy's own (SQL_OWN_PINGS, after counting_sql).
sql_commands() {
  local own=0
  [[ $1 == online ]] || own=${SQL_OWN_PINGS:-0}
  sql_ask "$1" "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com\\_%' AND Variable_name <> 'Com_show_status'" |
    awk -v own="$own" '{ print $1, $1 == "Com_admin_commands" ? $2 - own : $2 }'
}
count_sql() { sql_commands "$1" | awk '{ n += $2 } END { print n + 0 }'; }

# From here on commands count.
counting_sql() {
  local host
  sql_up
  counting count_sql
  for host in online test; do sql_commands "$host" >"$CASE_DIR/$host/before.txt"; done
}

# sql_copying [ARGUMENT...]: tcpcopy with these arguments besides, which other implementations do not have.
sql_copying() {
  sql_up
  intercept_start -i eth0 -F 'tcp and src port 3306'
  [[ -n $OURS ]] || set --
  tcpcopy_start tcpcopy -x "3306-$TEST4:3306" -s "$ASSIST4" ${OURS:+-i eth0} "$@"
}

# sql_passwords LINE...: makes tcpcopy.toml with the users' passwords on the test server.
sql_passwords() { (umask 077; printf '%s\n' '[mysql.users]' "$@" >"$CASE_DIR/tcpcopy.toml"); }

# sysbench_start NAME USER PASSWORD [ARGUMENT...]: as load_start; load_end NAME is the other half.
sysbench_start() {
  local name=$1 user=$2 password=$3
  shift 3
  load_start client "$name" sysbench "$ROOT/scripts/lib/sysbench.lua" --db-driver=mysql --mysql-host="$ONLINE4" \
    --mysql-user="$user" --mysql-password="$password" --mysql-db=sbtest --tables="$SQL_TABLES" --table-size="$SQL_ROWS" \
    --threads=10 --time="$(size 3 10)" --rand-seed=1 "$@" run
}
sysbench_load() {
  sysbench_start "$@"
  load_end "$1"
}

# The usual end: all arrived, each kind of command as often on both hosts.
sql_arrived() {
  all_arrived
  sql_same_kinds
}

# sql_same_kinds [KIND...]: all kinds of commands but these.
sql_same_kinds() {
  local difference
  sql_count_kinds
  difference=$(join -a 1 -a 2 -e 0 -o 0,1.2,2.2 "$CASE_DIR"/{online,test}/commands.txt | awk -v out=" $* " '!index(out, " " $1 " ") && $2 != $3 { print $1 " " $2 "/" $3 }')
  [[ -z $difference ]] || fail "commands online/test: $(paste -sd, <<<"$difference")"
}

# The end of a load that loses commands: waits until the test server has as much, or no more comes, then the copy ends.
# Rows tell what arrived.
sql_ended() {
  PATIENCE=${PATIENCE:-3} settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE > 0)) || fail 'no load at all'
}

# Writes the commands by kind, since counting_sql, to HOST/commands.txt; sql_kind HOST KIND is one of them.
sql_count_kinds() {
  local host
  for host in online test; do
    sql_commands "$host" | paste "$CASE_DIR/$host/before.txt" - | awk '$4 != $2 { print $1, $4 - $2 }' |
      sort >"$CASE_DIR/$host/commands.txt"
  done
}
sql_kind() { awk -v kind="$2" '$1 == kind { n = $2 } END { print n + 0 }' "$CASE_DIR/$1/commands.txt"; }

# sql_now HOST KIND: the same, at this moment.
sql_now() {
  sql_commands "$1" | paste "$CASE_DIR/$1/before.txt" - | awk -v kind="$2" '$1 == kind { print $4 - $2 }'
}
sql_level() { (($(sql_now test "$1") >= $(sql_now online "$1"))); } # KIND

# The tables of sysbench are the same on both hosts. After sql_arrived.
sql_same_data() {
  local n
  for n in $(seq "$SQL_TABLES"); do
    cmp -s <(sql_table online "$n") <(sql_table test "$n") || { fail "the data differ (sbtest$n)"; return 0; }
  done
}
sql_table() { sql_ask "$1" "SELECT * FROM sbtest.sbtest$2 ORDER BY id"; }

# sql_hold USER PASSWORD CONNECTIONS COMMANDS: connections that are used by phases, see sql-phases.py.
sql_hold() {
  sql_up
  mkfifo "$CASE_DIR/go"
  load_start client held "$PYTHON" "$ROOT/scripts/lib/sql-phases.py" "$ONLINE4" "$@" "$CASE_DIR/go" "$CASE_DIR/done"
  exec {SQL_GO}<>"$CASE_DIR/go"
  await 20 held_says connected || stopped_short 'the held connections are not there' held
}
held_says() { [[ $(tail -n 1 "$CASE_DIR/done" 2>/dev/null) == "$1" ]]; }

# sql_phase NAME: one phase, until it is over.
sql_phase() {
  PHASE=$((PHASE + 1))
  say "$PHASE $1" >&"$SQL_GO"
  await 30 held_says "$PHASE $1 done" || stopped_short "phase $1 does not end" held
}
PHASE=0
