# shellcheck shell=bash disable=SC2034
about='sqlreplay: pgbench simple, extended, prepared, 20 clients, recorded by its proxy, from an interface and from a file at once, and replayed'
unit=transactions
wire=any
ours=yes
fault=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local mode source target proxy live dump
  pg_servers
  for target in proxy live pcap; do pg_ask test "CREATE DATABASE $target TEMPLATE postgres" >/dev/null; done
  spawn online "$CASE_DIR/tcpdump.log" tcpdump -i lo -B 65536 -U -w "$CASE_DIR/online.pcap" 'tcp port 5432'
  dump=$SPAWNED
  spawn online "$CASE_DIR/record.log" "$SQLREPLAY" record --listen 0.0.0.0:5433 --upstream 127.0.0.1:5432 -o proxy.jsonl
  proxy=$SPAWNED
  spawn online "$CASE_DIR/live.log" "$SQLREPLAY" record -i lo --port 5432 -o live.jsonl
  live=$SPAWNED
  await 30 grep -q 'recording into' live.log || stopped_short 'no recorder of packets' live
  await 30 listening online 5433 || stopped_short 'no recorder' record
  counting pg_count
  for mode in simple extended prepared; do
    load "$mode" env PGPASSWORD=app-online pgbench -n -h "$ONLINE4" -p 5433 -U app -M "$mode" -c 20 -j 2 -t "$(size 50 500)" postgres
  done
  pg_secrets
  # tcpdump leaves what it has not read yet when it is stopped.
  await 60 grep -aq 'the end of the load' online.pcap || fail 'the packets are not in the capture file'
  # Of its rights it has kept none.
  [[ $(awk '/^Uid/ { print $2 } /^CapEff/ { print $2 } /^Seccomp:/ { print $2 }' "/proc/$live/status" | paste -sd' ') == "$(id -u nobody) 0000000000000000 2" ]] ||
    fail 'the recorder of packets has rights'
  await 60 grep -aq 'the end of the load' live.jsonl || fail 'the last statement was not recorded from packets'
  stop_program "$proxy"
  stop_program "$live"
  stop_program "$dump"
  load_on online pcap "$SQLREPLAY" record --pcap online.pcap --port 5432 -o pcap.jsonl
  for source in proxy live pcap; do statements "$source.jsonl" >"$source.txt"; done
  for source in live pcap; do cmp -s proxy.txt "$source.txt" || fail "$source: other statements than by the proxy"; done
  for target in proxy live pcap; do
    load_on online "replay-$target" env PGPASSWORD=app-test "$SQLREPLAY" replay "$target.jsonl" --host "$TEST4" \
      --dbname "$target" --speed 0
    [[ $(sums online postgres) == "$(sums test "$target")" ]] || fail "$target: pgbench_history differs"
  done
  ! grep -aE 'app-online|app-test|hunter' ./*.jsonl ./*.log || fail 'a password was recorded'
  N_ONLINE=$(arrived online) N_TEST=$(on test psql -AqtX -h "$CASE_DIR/test/postgres" -U lab -d proxy -c 'SELECT count(*) FROM pgbench_history')
}

# Statements that carry a password, which must not be recorded.
pg_secrets() {
  load secrets env PGPASSWORD=app-online psql -q -h "$ONLINE4" -p 5433 -U app -d postgres \
    -c "CREATE ROLE secret LOGIN PASSWORD 'hunter2'" -c "ALTER USER secret PASSWORD E'hunter3'" \
    -c "SELECT 'the end of the load'"
}

# Messages in no order: the sessions' numbers differ, and an answer that came late is on a line of its own.
statements() { jq -c 'select(.statement) | .statement.messages' "$1" | sort; }

sums() {
  on "$1" psql -AqtX -h "$CASE_DIR/$1/postgres" -U lab -d "$2" -c 'SELECT count(*), sum(delta), sum(aid::bigint * delta),
    sum(tid * delta), (SELECT sum(tbalance) FROM pgbench_tellers) FROM pgbench_history'
}

# stop_program PID: as Ctrl+C does.
stop_program() {
  kill -INT "$1"
  wait "$1" || true
}
