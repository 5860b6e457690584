# shellcheck shell=bash disable=SC2034
about='one host takes all the links and connections on the control port that it can get; tcpcopy gets its own all the same'
wire=any
ours=yes

run() {
  local hog hers
  nginx_start online
  nginx_start test
  intercept_start -i eth0 -F 'tcp and src port 80'
  # A hello as in docs/CONTROL_PROTOCOL.md, on each of them; then it stays.
  # shellcheck disable=SC2016
  load_start client hog bash -c 'trap "" PIPE; for ((n = 0; n < 300; n++)); do
      exec {link}<>"/dev/tcp/$0/36524" || break
      printf "\0\0\0\017\001tcpcopy\n\0\002\0\0\0\001" >&"$link" || true
    done; echo enough; read -r -t 600 <&"$link" || true; sleep 600' "$ASSIST4"
  hog=${LOAD[hog]}
  await 20 grep -q enough hog.log || stopped_short 'the hog has not had its turn' hog
  hers=$(count_links)
  ((hers >= 64 && hers <= 128)) || fail "the hog has got $hers connections"
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0
  counting count_http
  load ab ab -q -c 20 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
  end "$hog" TERM || true
  account_whole
}
