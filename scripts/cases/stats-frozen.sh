# shellcheck shell=bash disable=SC2034
about='the file system of --stats-json and the PID file is frozen: traffic is still copied, and SIGTERM ends tcpcopy'
wire=any
ours=yes
fault=yes

run() {
  local pid frozen_at
  FROZEN=$LAB_DIR/frozen
  thawed_and_gone # what an interrupted run has left
  trap 'thawed_and_gone; conclude' EXIT
  nginx_start online
  nginx_start test
  truncate -s 16M disk
  mkfs.ext4 -q disk || fail 'no ext4 can be made: install e2fsprogs'
  mkdir "$FROZEN"
  mount -o loop disk "$FROZEN" || { fail 'no file system can be mounted from a file'; exit 1; }
  give_to_daemons "$FROZEN"
  # Where the rest of the lab reads it.
  ln -s "$FROZEN/tcpcopy.json" tcpcopy.json

  intercept_start
  tcpcopy_start_there
  await 5 test -s "$FROZEN/tcpcopy.json" || stopped_short 'no statistics are written' tcpcopy
  fsfreeze -f "$FROZEN"
  frozen_at=$SECONDS
  counting count_http
  load wrk wrk -t1 -c50 -d"$(size 2 6)" "http://$ONLINE4/"
  load_unharmed wrk
  settle
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing while it is frozen"
  # One that hangs, one that waits, one that takes its place.
  until ((SECONDS - frozen_at > 4)); do sleep 0.2; done
  fsfreeze -u "$FROZEN"
  await 5 written_again || fail 'no statistics are written after the thaw'
  all_arrived
  account_whole

  intercept_start
  tcpcopy_start_there
  pid=${TCPCOPY[tcpcopy]}
  fsfreeze -f "$FROZEN"
  load wrk wrk -t1 -c50 -d1 "http://$ONLINE4/"
  end "$pid" TERM 15 || fail 'SIGTERM does not end it while the file system is frozen'
  # The kernel keeps what is left of a process that waits for the file system until that is thawed.
  fsfreeze -u "$FROZEN"
  wait "$pid" || fail "it ended with status $?"
  unset 'TCPCOPY[tcpcopy]'
  grep -q 'INFO.*replayed 100.000 %' tcpcopy.log || fail 'no account in the log'
  grep -q -e '--stats-json is not up to date' tcpcopy.log || fail 'the log does not report that the statistics are old'
  intercept_stop
}

tcpcopy_start_there() {
  # The lab adds no statistics file of its own if it does not know of one.
  OURS='' tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -P "$FROZEN/tcpcopy.pid" --stats-json "$FROZEN/tcpcopy.json"
}

written_again() { [[ $(ledger tcpcopy '.output.statistics_skipped > 0') == true ]]; }

thawed_and_gone() {
  [[ -d $FROZEN ]] || return 0
  fsfreeze -u "$FROZEN" 2>/dev/null || true
  cp --remove-destination "$FROZEN/tcpcopy.json" tcpcopy.json 2>/dev/null || true
  umount -l "$FROZEN" 2>/dev/null || true
  rmdir "$FROZEN"
}
