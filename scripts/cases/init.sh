# shellcheck shell=bash disable=SC2034
about='tcpcopy init: its commands, run on each host as they are printed, copy HTTP in classic mode and in agent mode, replay a capture file, and undo everything'
wire=any
ours=yes

# shellcheck source=scripts/lib/routes.sh
source "$ROOT/scripts/lib/routes.sh"
# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  nginx_start online
  nginx_start test
  programs
  empty_hosts
  no_way_for_answers
  # The plan must keep answers from the clients without a change of this setting.
  on assist sysctl -q -w net.ipv4.ip_forward=1
  planned classic --assistant "$ASSIST4"
  pasted 'set up the test host' 'set up the assistant'
  copied
  undone 'stop and undo on the online host' 'stop and undo on the assistant' 'stop and undo on the test host'
  [[ $(on assist cat /proc/sys/net/ipv4/ip_forward) == 1 ]] || fail 'the assistant does not forward any more'
  [[ -z $(on assist nft list ruleset) ]] || fail 'a rule of the assistant stays'
  on assist sysctl -q -w net.ipv4.ip_forward=0
  answers_via_assist "$CLIENT4" "$CLIENT6"

  strict_wire
  planned agent
  pasted 'set up the test host'
  capture_start online http.pcap host "$ONLINE4" and tcp port 80
  copied
  capture_stop
  undone 'stop and undo on the online host' 'stop and undo on the test host'

  planned offline --capture-file "$CASE_DIR/http.pcap"
  pasted 'set up the test host' 'prepare the host with the capture file'
  replayed
  undone 'stop and undo on the host with the capture file' 'stop and undo on the test host'
  [[ $(foreign_frames) == 0 ]] || fail 'agent mode sends frames with foreign sources'
  lax_wire
}

# A directory of PATH with the programs, and an scp that needs no login.
programs() {
  mkdir bin
  ln -s "$TCPCOPY_BIN" bin/tcpcopy
  ln -s "$INTERCEPT_BIN" bin/intercept
  ln -s "$ROOT/scripts/route-setup" bin/route-setup
  cat >bin/scp <<'END'
#!/bin/sh
# scp -p ADDRESS:FILE FILE: copies the file out of the other host's /run.
exec cp -p "/proc/$(cat "${0%/bin/scp}/${2%%:*}.pid")/root${2#*:}" "$3"
END
  chmod +x bin/scp
}

# Each host has an empty /run, as another machine has. A process keeps it: NAMESPACE.
declare -A NAMESPACE=()
empty_hosts() {
  local host
  for host in online test assist; do
    spawn "$host" "$CASE_DIR/$host.log" sh -c 'mount -t tmpfs -o mode=755 tmpfs /run && touch /run/ready && exec sleep 600'
    NAMESPACE[$host]=$SPAWNED
    echo "$SPAWNED" >"$(address4 "$host").pid"
    await 5 test -e "/proc/$SPAWNED/root/run/ready" || stopped_short "$host has no /run of its own" "$host"
  done
}

# planned MODE ARGUMENT...: the plan for this lab.
planned() {
  MODE=$1
  shift
  BEGIN=$SECONDS
  test_host_state >before.txt
  bin/tcpcopy init --yes --online "$ONLINE4" --test "$TEST4" --port 80 "$@" >"$MODE.txt" 2>"$MODE.log" </dev/null ||
    stopped_short 'no plan' "$MODE"
  grep -q "^# Mode: $MODE, because " "$MODE.txt" || fail "another mode than $MODE: $(head -n 1 "$MODE.txt")"
}

# pasted TITLE...: runs these sections of the plan, each on its host.
pasted() {
  local title host file
  for title; do
    case $title in *'test host'*) host='test' ;; *assistant*) host=assist ;; *) host=online ;; esac
    file=$CASE_DIR/$MODE.${title// /-}
    awk -v title="# ==== $title" '/^# ==== / { ours = index($0, title) == 1 } ours' "$MODE.txt" >"$file"
    [[ -s $file ]] || fail "$MODE: the plan has no '$title'"
    PATH=$CASE_DIR/bin:$PATH timeout 60 \
      nsenter --target "${NAMESPACE[$host]}" --mount --net bash "$file" >"$file.out" 2>"$file.err" </dev/null 9>&- || true
    # A replay logs to the terminal.
    [[ ! -s $file.err || $MODE-$title == offline-start* ]] || fail "$MODE: $title: $(head -n 1 "$file.err")"
  done
  keep_daemons
}

# The daemons are ended with the case, should the plan fail to do so.
keep_daemons() {
  local file
  for file in "/proc/${NAMESPACE[online]}/root/run/tcpcopy-init/tcpcopy.pid" \
    /proc/"${NAMESPACE[test]}"/root/run/tcpcopy-init/intercept.pid /proc/"${NAMESPACE[assist]}"/root/run/tcpcopy-init/intercept.pid; do
    [[ ! -s $file ]] || record "$(<"$file")"
  done
}

# copied: the online host's sections, clients, and the report.
copied() {
  pasted 'prepare the online host' 'start on the online host'
  counting count_http
  load "$MODE-first" curl -sS --fail -o /dev/null "http://$ONLINE4/"
  await 20 reached test 1 || fail "$MODE: no request arrives: $(tail -n 1 "/proc/${NAMESPACE[online]}/root/run/tcpcopy-init/tcpcopy.log")"
  note "$MODE: the first request after $((SECONDS - BEGIN)) s"
  load "$MODE-keep-alive" ab -q -k -c 10 -n "$(size 1000 20000)" "http://$ONLINE4/"
  load "$MODE-one-shot" ab -q -c 10 -n "$(size 500 10000)" "http://$ONLINE4/"
  all_arrived
  await 20 says_whole || fail "$MODE: the report is not that of a whole copy: $(head -n 1 "$MODE.see-whether-it-works.out")"
}

# replayed: the capture of what was just copied.
replayed() {
  counting count_http
  pasted 'start on the host with the capture file'
  grep -q 'replayed 100.000 % of client payload' offline.start-on-the-host-with-the-capture-file.err ||
    fail "offline: not all was replayed: $(tail -n 1 offline.start-on-the-host-with-the-capture-file.err)"
  await 5 reached test "$N_ONLINE" || true
  (($(arrived test) == N_ONLINE)) || fail "offline: $(arrived test) of $N_ONLINE requests"
}

# undone TITLE...: these sections leave nothing behind.
undone() {
  local host
  pasted "$@"
  [[ $MODE == offline ]] || grep -q 'replayed 100.000 % of client payload' "$MODE.stop-and-undo-on-the-online-host.out" ||
    fail "$MODE: no report at the end"
  (($(arrived test) == N_ONLINE)) || fail "$MODE: $(arrived test) requests instead of $N_ONLINE at the end"
  for host in online test assist; do
    ! compgen -G "/proc/${NAMESPACE[$host]}/root/run/tcpcopy-init*" >/dev/null || fail "$MODE: files stay on $host"
    [[ -z $(on "$host" ss -Htln "sport = :$CONTROL_PORT") ]] || fail "$MODE: intercept stays on $host"
  done
  state_is_as before.txt "$MODE, undone"
}

says_whole() {
  pasted 'see whether it works'
  grep -q 'replayed 100.000 % of client payload' "$MODE.see-whether-it-works.out"
}
