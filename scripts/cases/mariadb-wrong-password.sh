# shellcheck shell=bash disable=SC2034
about='a wrong and a missing password: a log line for each user, and other users unharmed'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() {
  local user lines
  sql_servers mariadb right wrong absent
  sql_passwords 'right = "right-test"' 'wrong = "mistaken"'
  sql_copying --config tcpcopy.toml
  counting_sql
  # DO is theirs alone.
  for user in wrong absent; do
    load_start client "$user" mariadb-slap --no-defaults -h "$ONLINE4" -u "$user" -p"$user-online" --ssl=0 \
      --concurrency=5 --iterations=4 --create-schema=sbtest --no-drop --query='DO 1;' --number-of-queries=100
  done
  sysbench_load right right right-online --own_table=on --threads=5
  for user in wrong absent; do load_end "$user"; done
  # Nobody comes in with the password that is known here, whom the online server refuses.
  for _ in 1 2 3; do
    ! on client mariadb --no-defaults --ssl=0 -h "$ONLINE4" -u right -pmistaken -e 'DO 2' 2>refused.log || fail 'a wrong password is good enough'
  done
  on client timeout 5 bash -c "exec 3<>/dev/tcp/$ONLINE4/3306; $(declare -f impostor); impostor >&3" || fail 'there is no impostor'
  await 30 sql_level Com_commit || fail 'not all transactions of the other user arrived'
  copy_stop
  sql_count_kinds
  N_ONLINE=$(sql_kind online Com_commit) N_TEST=$(sql_kind test Com_commit)
  ((N_TEST == N_ONLINE)) || fail "transactions online/test: $N_ONLINE/$N_TEST"
  (($(sql_kind online Com_do) == 800)) || fail "the other users sent $(sql_kind online Com_do) commands instead of 800"
  (($(sql_kind test Com_do) == 0)) || fail 'commands of refused users were executed'
  sql_same_data
  ledger_holds tcpcopy '.ledger.sessions.incomplete.login_failed_online == 4' 'not all sessions that the online server refused are counted'
  for user in wrong absent; do
    lines=$(grep -c "user \"$user\"" tcpcopy.log) || true
    ((lines == 1)) || fail "$lines lines about user $user instead of one"
  done
}

# A login with a wrong password, a command that does not wait for the answer, and one that does.
impostor() {
  local zeros hash
  printf -v zeros '\\x00%.0s' {1..23}
  printf -v hash 'h%.0s' {1..20}
  head -c 5 <&3 >/dev/null
  # shellcheck disable=SC2059
  printf '\x51\x00\x00\x01\x01\xa2\x0f\x00\x00\x00\x00\x01\x2d'"$zeros"'right\x00\x14'"$hash"'mysql_native_password\x00\x05\x00\x00\x00\x03DO 3'
  sleep 0.5
  # By now the online server has most likely cut the connection.
  printf '\x05\x00\x00\x00\x03DO 4' 2>/dev/null || true
}
