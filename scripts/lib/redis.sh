# shellcheck shell=bash disable=SC2034
# Redis connections with state (a database, a password), and the keys that reached each database.

REDIS_DATABASE=3
declare -ga REDIS_TEST_ARGUMENTS=()
declare -gA REDIS_PASSWORD=([online]='' [test]='')

# redis_state HOST COMMAND...: as the administrator.
redis_state() {
  local host=$1 password=${REDIS_PASSWORD[$1]}
  shift
  on "$host" redis-cli ${password:+--no-auth-warning -a "$password"} -h 127.0.0.1 "$@"
}

# redis_password HOST PASSWORD: from here on the server wants one.
redis_password() {
  redis_state "$1" config set requirepass "$2" >/dev/null
  REDIS_PASSWORD[$1]=$2
}

# redis_servers [ONLINE_PASSWORD TEST_PASSWORD]: the one of the test host with REDIS_TEST_ARGUMENTS besides.
redis_servers() {
  redis_start online
  redis_start test "${REDIS_TEST_ARGUMENTS[@]}"
  (($# == 0)) || { redis_password online "$1"; redis_password test "$2"; }
}

# redis_copying [ARGUMENT...]: tcpcopy with these arguments besides.
redis_copying() {
  intercept_start -i eth0 -F 'tcp and src port 6379'
  tcpcopy_start tcpcopy -x "6379-$TEST4:6379" -s "$ASSIST4" -i eth0 "$@"
}

# redis_config LINE...: makes tcpcopy.toml.
redis_config() { (umask 077; printf '%s\n' "$@" >"$CASE_DIR/tcpcopy.toml"); }

# redis_write NAME PREFIX [ARGUMENT...]: a client in the background, see redis-writer.py; load_end NAME is the other half.
redis_write() {
  local name=$1
  shift
  load_start client "$name" python3 "$ROOT/scripts/lib/redis-writer.py" "$ONLINE4" "$@" --database "$REDIS_DATABASE" \
    ${REDIS_PASSWORD[online]:+--password "${REDIS_PASSWORD[online]}"}
}

# Keys in a host's database.
redis_keys() { redis_state "$1" -n "$2" dbsize; }
count_redis_keys() { redis_keys "$1" "$REDIS_DATABASE"; }

# redis_kill TIMES: all connections of the copy are killed on the test server, at random times.
redis_kill() {
  local kills
  for ((kills = 0; kills < $1; kills++)); do
    sleep "0.$((RANDOM % 4 + 1))$((RANDOM % 10))"
    redis_state test client kill type normal skipme yes >>"$CASE_DIR/kills.txt"
  done
}

# Once all copies are there, or no more come: tcpcopy ends, and every write that it counts as replayed is in its database,
# none in another.
redis_ends() {
  [[ -n $COUNTER ]] || COUNTER=count_redis_keys
  PATIENCE=2 settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE > 0)) || fail 'no load at all'
  redis_strictly
}

redis_strictly() {
  local write claimed other
  other=$(redis_state test info keyspace | grep -c "^db" || true)
  ((other == (N_TEST > 0))) || fail "writes in another database: $(redis_state test info keyspace | paste -sd' ')"
  # The commands of the client for one key: see redis-writer.py.
  # shellcheck disable=SC2016
  write=$(printf '*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$7\r\n0000000\r\n' $((${#REDIS_PREFIX} + 12)) "$REDIS_PREFIX:000:0000000" | wc -c)
  claimed=$(ledger tcpcopy '.ledger.bytes.replayed')
  write=$((write + ${REDIS_WRITE_BYTES:-0}))
  other=$(ledger tcpcopy '.ledger.bytes.dropped.replaced // 0')
  claimed=$(((claimed - ${REDIS_OTHER_BYTES:-$other} + other) / write))
  note "$N_TEST of $N_ONLINE in database $REDIS_DATABASE, $claimed counted as replayed"
  ((claimed <= N_TEST)) || fail "$((claimed - N_TEST)) writes count as replayed and are not there"
  ((N_TEST == N_ONLINE)) ||
    ledger_holds tcpcopy '[.ledger.sessions.incomplete[]] | add > 0' 'writes are missing, and all sessions are whole'
  redis_same_values
}

# The keys that arrived have the values that they have online.
redis_same_values() {
  local host
  for host in online test; do redis_dump "$host" >"$CASE_DIR/$host/keys.txt"; done
  [[ -z $(comm -13 "$CASE_DIR/online/keys.txt" "$CASE_DIR/test/keys.txt" | head -n 1) ]] || fail 'the data differ'
}
redis_dump() {
  redis_state "$1" -n "$REDIS_DATABASE" eval \
    "local all = {} for _, key in ipairs(redis.call('keys', '*')) do all[#all + 1] = key .. ' ' .. redis.call('get', key) end return all" 0 |
    LC_ALL=C sort
}
