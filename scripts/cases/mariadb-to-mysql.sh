# shellcheck shell=bash disable=SC2034
about='MariaDB in production, MySQL 9 on the test host'
unit=commands
wire=any
ours=yes
needs=databases

run() { other_vendor mariadb mysql; }

other_vendor() {
  sql_server online "$1" app
  sql_server test "$2" app
  sql_passwords 'app = "app-test"'
  # All hosts share two cores. The clients saturate them, so tcpcopy gets a small part.
  sql_copying -B 256 --config tcpcopy.toml
  # Only MariaDB can prepare BEGIN. MySQL refuses it; the module sends its text instead, and the session continues.
  counting_sql
  sysbench_load differing app app-online --threads=1 --events=5 --time=0
  await 30 sql_level Com_commit || fail 'a statement that only one server knows stops the session'
  counting_sql
  sysbench_load prepared app app-online --own_table=on --skip_trx=on --time="$(size 2 10)"
  settle # the next load has the same tables
  sysbench_load text app app-online --own_table=on --time="$(size 2 10)" --db-ps-mode=disable
  sql_arrived
  sql_same_data
}
