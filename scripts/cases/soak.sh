# shellcheck shell=bash disable=SC2034
about='mixed load for a long time: balanced ledger, constant memory, no leaked file descriptor (see scripts/soak)'
wire=any
ours=yes
fault=yes
full=yes

# Memory is compared from half of the time on, after at least this many rounds of about 3 s.
WARM=10

run() {
  local span half end total=0 round=0 base_tcpcopy='' base_intercept=''
  nginx_start online
  nginx_start test
  head -c 20480 /dev/urandom >body
  head -c 4M /dev/urandom | tee online/get/file >test/get/file
  head -c 4M /dev/urandom >upload
  copying
  span=${SOAK_SECONDS:-$(size 30 120)}
  half=$((SECONDS + span / 2)) end=$((SECONDS + span))
  while ((SECONDS < end || round < WARM + 2)) && ((${#FAILURES[@]} == 0)); do
    mixed_round
    round=$((round + 1)) total=$((total + N_TEST))
    # Until then buffers and tables grow to the size of the largest burst.
    [[ -n $base_tcpcopy ]] || ((SECONDS < half || round < WARM)) ||
      { base_tcpcopy=$(state "${TCPCOPY[tcpcopy]}") base_intercept=$(state "$INTERCEPT"); }
    say "$(date +%T) $round $total tcpcopy $(state "${TCPCOPY[tcpcopy]}") intercept $(state "$INTERCEPT")" >>soak.log
  done
  unchanged tcpcopy "$base_tcpcopy" "$(state "${TCPCOPY[tcpcopy]}")"
  unchanged intercept "$base_intercept" "$(state "$INTERCEPT")"
  note "$total requests in $round rounds; KB and descriptors of tcpcopy $base_tcpcopy, then $(state "${TCPCOPY[tcpcopy]}")"
  note "of intercept $base_intercept, then $(state "$INTERCEPT")"
  copy_stop
  N_ONLINE=$total N_TEST=$total
  account_whole
}

# One of each kind of load at the same time, then all must have arrived.
mixed_round() {
  truncate -s 0 online/access.log test/access.log
  counting count_http
  load_start client keepalive ab -q -k -c 30 -n 20000 "http://$ONLINE4/"
  load_start client one-shot ab -q -c 10 -n 2000 "http://$ONLINE4/"
  load_start client post ab -q -k -c 5 -n 500 -p body -T application/octet-stream "http://$ONLINE4/post"
  load_start client upload curl -sS --fail -T upload "http://$ONLINE4/put/"
  load_start client download curl -sS --fail "http://$ONLINE4/get/file" -o /dev/null
  local name
  for name in keepalive one-shot post upload download; do load_end "$name"; done
  settle
  ((N_ONLINE > 22000)) || fail "the online server answered $N_ONLINE requests only"
  ((N_TEST == N_ONLINE)) || { where_it_stopped; fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing"; }
  cmp -s upload test/put/upload || fail 'the upload differs'
  ledger_holds tcpcopy .balanced 'the ledger does not balance'
}

# Resident KB, and open file descriptors.
state() { printf '%s/%s' "$(awk '/^VmRSS:/ { print $2 }' "/proc/$1/status")" "$(find "/proc/$1/fd" -mindepth 1 | wc -l)"; }

unchanged() {
  local kb=${2%/*} kb_now=${3%/*}
  ((kb_now <= kb + kb / 10 + 1024)) || fail "$1 has grown from $kb to $kb_now KB"
  [[ ${2#*/} == "${3#*/}" ]] || fail "$1 had ${2#*/} descriptors open, and now ${3#*/}"
}
