# shellcheck shell=bash disable=SC2034
about='under load the log is renamed and SIGHUP sent; then the disk of log and statistics is full: all is copied, no line lost uncounted'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  rotated
  SMALL=$CASE_DIR/small
  mkdir "$SMALL"
  trap 'unmounted; conclude' EXIT
  mount -t tmpfs -o size=128k tmpfs "$SMALL" || { fail 'no tmpfs can be mounted'; exit 1; }
  give_to_daemons "$SMALL"
  disk_full
}

# Reports are requested one by one while logs are renamed: each is in one of the files.
rotated() {
  local number reports=12 pid
  intercept_start -i eth0 -l "$CASE_DIR/intercept-rotated"
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -l "$CASE_DIR/tcpcopy-rotated"
  counting count_http
  load_start client wrk wrk -t1 -c20 -d"$(size 5 10)" "http://$ONLINE4/"
  for ((number = 1; number <= reports; number++)); do
    if ((number % 4 == 0)); then
      mv tcpcopy-rotated "tcpcopy-rotated.$number"
      mv intercept-rotated "intercept-rotated.$number"
      kill -HUP "${TCPCOPY[tcpcopy]}" "$INTERCEPT"
      await 5 test -e tcpcopy-rotated || fail 'tcpcopy does not open its log again'
      await 5 test -e intercept-rotated || fail 'intercept does not open its log again'
    fi
    kill -USR1 "${TCPCOPY[tcpcopy]}" "$INTERCEPT"
    await 5 reported "$number" || fail "report $number is in no log"
  done
  load_end wrk
  load_unharmed wrk
  pid=${TCPCOPY[tcpcopy]}
  all_arrived
  account_whole
  ledger_holds tcpcopy '.output.log_lines_lost == 0 and .output.statistics_skipped == 0' 'output was lost'
  [[ $(stat -c %U tcpcopy-rotated) == nobody ]] || fail 'the new log does not belong to the daemon'
  [[ $(stat -c %a tcpcopy-rotated tcpcopy.json | uniq) == 640 ]] || fail 'log or statistics are open to all'
  grep -q 'replayed 100.000 %' tcpcopy-rotated || fail 'the final report is not in the new log'
  ! grep -vh '^\[20\|^ \|^hint\|^$' intercept-rotated* || fail 'a line is cut'
}

reported() {
  (($(cat tcpcopy-rotated* | grep -c ' report\] ') >= $1 && $(cat intercept-rotated* | grep -c ' report\] ') >= $1))
}

disk_full() {
  local before
  rm -f tcpcopy.json
  ln -s "$SMALL/tcpcopy.json" tcpcopy.json
  intercept_start
  OURS='' tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -l "$SMALL/log" --stats-json "$SMALL/tcpcopy.json"
  await 5 test -s "$SMALL/tcpcopy.json" || stopped_short 'no statistics are written' tcpcopy
  head -c 256k /dev/zero >"$SMALL/full" 2>/dev/null || true
  counting count_http
  load_start client wrk wrk -t1 -c50 -d"$(size 4 8)" "http://$ONLINE4/"
  while load_runs wrk; do
    kill -USR1 "${TCPCOPY[tcpcopy]}"
    sleep 0.05
  done
  load_end wrk
  load_unharmed wrk
  settle
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing while the disk is full"
  rm "$SMALL/full"
  before=$(stat -c %s "$SMALL/log")
  kill -USR1 "${TCPCOPY[tcpcopy]}"
  await 5 grep -q 'log lines were lost' "$SMALL/log" || fail 'the gap in the log is not told'
  (($(stat -c %s "$SMALL/log") > before)) || fail 'nothing is logged when there is room again'
  grep -q 'cannot write --stats-json' "$SMALL/log" || note 'the line about the statistics was lost, too'
  all_arrived
  account_whole
  ledger_holds tcpcopy '.output.log_lines_lost > 0' 'no line was lost: the disk was not full'
  cp --remove-destination "$SMALL/tcpcopy.json" tcpcopy.json
}

unmounted() {
  cp "$SMALL/log" small.log 2>/dev/null || true
  cp --remove-destination "$SMALL/tcpcopy.json" tcpcopy.json 2>/dev/null || true
  umount -l "$SMALL" 2>/dev/null || true
}
