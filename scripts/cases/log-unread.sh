# shellcheck shell=bash disable=SC2016,SC2034
about='the log of both programs is a full pipe without a reader, at trace and at default level: traffic is still copied'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  mkfifo unread
  # Open for reading, too, so that it can be opened, and full: the first line waits.
  exec 8<>unread
  head -c "$(pipe_size)" /dev/zero >&8
  copied_with_log tcpcopy.log trace
  local read_rate=$RATE
  copied_with_log unread trace
  note "requests a second at trace level, log read: $read_rate, not read: $RATE"
  # Without a reader log lines are lost, but nothing else.
  ledger_holds tcpcopy '.output.log_lines_lost > 0' 'no line was lost: too few lines were logged'
  copied_with_log tcpcopy.log info
  read_rate=$RATE
  copied_with_log unread info
  note "at default level: $read_rate and $RATE"
}

# copied_with_log FILE LEVEL: all that a load brings is copied while the log goes there, and both end at a signal.
copied_with_log() {
  local started
  export RUST_LOG=$2
  TCPCOPY_COMMAND=(bash -c 'exec "${@:2}" 2>"$1"' - "$CASE_DIR/$1" "$TCPCOPY_BIN")
  INTERCEPT_COMMAND=(bash -c 'exec "${@:2}" 2>"$1"' - "$CASE_DIR/${1/#tcpcopy/intercept}" "$INTERCEPT_BIN")
  copying
  counting count_http
  load_start client paced "$HELD_CLIENT" --rate "$(size 500 1000)" "$(size 3 10)" "$ONLINE4" 20
  load_start client one-shot ab -q -c 2 -n "$(size 1500 5000)" "http://$ONLINE4/"
  # Complete reports, as a user asks for them.
  while load_runs paced; do
    kill -USR1 "${TCPCOPY[tcpcopy]}" "$INTERCEPT"
    sleep 0.02
  done
  load_end paced
  load_end one-shot
  RATE=$(jq .rate paced.log)
  started=$SECONDS
  all_arrived
  ((SECONDS - started < 12)) || fail "$2, $1: the end took $((SECONDS - started)) s"
  account_whole
}

pipe_size() { python3 -c 'import fcntl; print(fcntl.fcntl(8, 1032))'; } # F_GETPIPE_SZ
