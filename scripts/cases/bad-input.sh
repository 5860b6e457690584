# shellcheck shell=bash disable=SC2034
about='bad input: one line with the reason, exit status 2 for usage errors and 1 for run-time errors'
unit=checks
wire=any
ours=yes

run() {
  # In a place where an unprivileged user can run them, even if it cannot enter the work tree.
  install -m 755 "${TCPCOPY_COMMAND[0]}" "${INTERCEPT_COMMAND[0]}" .
  local tcpcopy=./tcpcopy intercept=./intercept transfer="80-$TEST4:80"

  refuses 2 '-x' online $tcpcopy
  refuses 2 '-s' online $tcpcopy -x "$transfer"
  refuses 2 'nonsense' online $tcpcopy -x nonsense -s "$ASSIST4"
  refuses 2 '99999' online $tcpcopy -x "80-$TEST4:99999" -s "$ASSIST4"
  refuses 2 '' online $tcpcopy -x "$TEST4:80-$TEST4:80" -s "$ASSIST4"
  refuses 2 '-n' online $tcpcopy -x "$transfer" -s "$ASSIST4" -n 1024
  refuses 2 '-q.*-w' online $tcpcopy -x "$transfer" -s "$ASSIST4" -q 3 -w
  refuses 2 'cannot read capture file .traffic.pcap' online $tcpcopy -x "$transfer" -s "$ASSIST4" -i traffic.pcap
  refuses 2 '-c' online $tcpcopy -x "$transfer" -s "$ASSIST4" -c 10.1.1.999
  refuses 2 '--no-such-flag' online $tcpcopy -x "$transfer" -s "$ASSIST4" --no-such-flag
  refuses 2 'eth9' online $tcpcopy -x "$transfer" -s "$ASSIST4" -i eth9
  refuses 1 "$ASSIST4:36524" online $tcpcopy -x "$transfer" -s "$ASSIST4" -i eth0
  refuses 2 'filter' online $tcpcopy -x "$transfer" -s "$ASSIST4" -i eth0 -F 'tcp and and'
  refuses 2 'filter is empty' online $tcpcopy -x "$transfer" -s "$ASSIST4" -i eth0 -F ''
  refuses 2 '-m 64' online $tcpcopy -x "$transfer" -s "$ASSIST4" -i eth0 -m 1 -C 64
  refuses 1 'sudo|setcap' online setpriv --reuid 65534 --regid 65534 --clear-groups $tcpcopy -x "$transfer" -s "$ASSIST4" -i eth0

  refuses 2 '--no-such-flag' assist $intercept --no-such-flag
  refuses 2 '-D' assist $intercept -D 1.2.3.4-5.6.7.8
  refuses 2 'eth9' assist $intercept -i eth9
  refuses 2 'filter' assist $intercept -i eth0 -F 'tcp and and'
  refuses 2 'filter is empty' assist $intercept -i eth0 -F ''
  refuses 1 'sudo|setcap' assist setpriv --reuid 65534 --regid 65534 --clear-groups $intercept -i eth0
  intercept_start -i eth0
  refuses 1 '36524' assist $intercept -i eth0
  intercept_stop
}

# refuses STATUS PATTERN HOST COMMAND...: ends at once with that status and one line that matches.
refuses() {
  local status=$1 pattern=$2 host=$3 got=0
  shift 3
  N_ONLINE=$((N_ONLINE + 1))
  timeout --foreground 10 ip netns exec "$(netns "$host")" "$@" >out.log 2>err.log </dev/null 9>&- || got=$?
  local what="${*##*/}"
  if [[ ! $got =~ ^$status$ ]]; then
    fail "'$what' ends with $got instead of $status"
  elif (($(cat out.log err.log | wc -l) != 1)); then
    fail "'$what' prints $(cat out.log err.log | wc -l) lines instead of one"
  elif ! grep -qE -e "$pattern" err.log; then
    fail "'$what' does not name '$pattern': $(<err.log)"
  else
    N_TEST=$((N_TEST + 1))
  fi
}
