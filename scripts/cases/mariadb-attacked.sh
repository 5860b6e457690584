# shellcheck shell=bash disable=SC2034
about='the command lines of README with passwords, while strangers flood the control port and forge segments to the service'
unit=commands
wire=any
ours=yes
finds='two-tcpcopies syn-flood'
needs=databases

run() {
  local how held syns=300 forged n
  forged=$(size 5000 50000)
  sql_servers mariadb app --max-connections=151
  sql_up
  intercept_start -i eth0 -F 'tcp and src port 3306'
  tcpcopy_start tcpcopy -x "3306-$TEST4:3306" -s "$ASSIST4" --config tcpcopy.toml
  counting_sql
  # The online host's resets need a way, and so would answers of the test host.
  on online ip route replace 10.1.0.0/16 via "$CLIENT4"
  on test ip route replace 10.1.0.0/16 via "$ASSIST4"
  sysbench_start sysbench app app-online --rate=50 --time="$(size 14 30)"
  for n in 1 2; do
    on client ip address replace "10.9.9.$n/32" dev lo
    on assist ip route replace "10.9.9.$n/32" via "$CLIENT4"
  done
  for how in ports flight loopback reload; do
    load_start client "$how" "$ROOT/scripts/lib/stranger.py" "$how" "$ASSIST4" "$CLIENT4" "$TEST4:3306" 6
  done
  load_start test mute python3 "$ROOT/scripts/lib/strangers.py" mute "$ASSIST4" 64
  load_start client pings python3 "$ROOT/scripts/lib/strangers.py" pings "$ASSIST4" 10.9.9.1
  load_start client routes python3 "$ROOT/scripts/lib/strangers.py" routes "$ASSIST4" 10.9.9.2
  forge data "$forged" 3 10.1.200.1
  forge mixed "$syns" 1 10.1.201.1
  forge syn "$syns" 1 10.1.202.1
  sleep 1.5
  held=$(($(connections test) - $(connections online)))
  ((held <= 1)) || fail "the test server holds $held connections more than the online server"
  load_end sysbench
  sql_arrived
  sql_same_data
  for how in ports flight loopback reload; do
    load_end "$how"
    grep -q '^learnt 0 answers, 0 bytes' "$CASE_DIR/$how.log" || fail "$how: $(tail -n 1 "$CASE_DIR/$how.log")"
  done
  for how in mute pings routes; do end "${LOAD[$how]}" TERM || true; done
  for n in 1 2; do on assist ip route del "10.9.9.$n/32"; done
  on online ip route del 10.1.0.0/16
  on test ip route del 10.1.0.0/16
  ledger_holds tcpcopy ".ledger.sessions.incomplete.rejected_online >= $forged" 'not all forged requests count as rejected'
  ledger_holds tcpcopy ".ledger.sessions.incomplete.never_established >= $syns" 'not all forged SYNs count as never established'
}

# forge KIND COUNT SECONDS FIRST_SOURCE
forge() { load "$1" python3 "$ROOT/scripts/lib/forged-segments.py" "$1" "$ONLINE4" 3306 "${@:2}"; }

connections() { on "$1" ss -Htn state established 'sport = :3306' | wc -l; }
