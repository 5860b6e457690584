# shellcheck shell=bash disable=SC2034
about='a wrong and a missing password: a line for each user, and other users unharmed'
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
  await 30 sql_level Com_commit || fail 'not all transactions of the other user arrived'
  copy_stop
  sql_count_kinds
  N_ONLINE=$(sql_kind online Com_commit) N_TEST=$(sql_kind test Com_commit)
  ((N_TEST == N_ONLINE)) || fail "transactions online/test: $N_ONLINE/$N_TEST"
  (($(sql_kind online Com_do) == 800)) || fail "the other users sent $(sql_kind online Com_do) commands instead of 800"
  (($(sql_kind test Com_do) == 0)) || fail 'commands of refused users were executed'
  sql_same_data
  for user in wrong absent; do
    lines=$(grep -c "$user" tcpcopy.log) || true
    ((lines == 1)) || fail "$lines lines about user $user instead of one"
  done
}
