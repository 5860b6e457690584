# shellcheck shell=bash disable=SC2034,SC2059
about='one host takes all the control connections and targets that it can get, repeatedly; tcpcopy still gets its own'
wire=any
ours=yes

run() {
  local hog hers
  nginx_start online
  nginx_start test
  intercept_start -i eth0 # which derives its filter from what they announce
  load_start client hog bash -c "$(declare -f hog); hog" "$ASSIST4"
  hog=${LOAD[hog]}
  await 20 grep -q enough hog.log || stopped_short 'the hog has not had its turn' hog
  hers=$(count_links)
  ((hers >= 64 && hers <= 128)) || fail "the hog has got $hers connections"
  touch announce
  await 20 grep -q announced hog.log || stopped_short 'the hog has not announced its targets' hog
  # One host may have 8192 targets; connections with more are cut off.
  await 10 hog_is_bounded || fail "the hog has $(count_links) connections with 1024 targets each"
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0
  counting count_http
  load ab ab -q -c 20 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
  ledger_holds tcpcopy '[.intercepts[] | .connects, .disconnects] == [1, 0]' 'the control connection of tcpcopy was lost'
  alive "$hog" || fail 'the hog ended too early'
  end "$hog" TERM || true
  account_whole
}

hog_is_bounded() {
  local left
  left=$(count_links)
  ((left >= 8 && left <= 16))
}

# Hellos and targets are as in docs/CONTROL_PROTOCOL.md. $0 is intercept's address.
hog() {
  local hello='\0\0\0\023\001tcpcopy\n\0\005\0\0\0\0\0\0\0\001' links=() link n target targets=''
  # fd00::, up to the last four bytes; port 80.
  local front='\224\002\006\375\0\0\0\0\0\0\0\0\0\0\0' back='\0\120'
  trap '' PIPE
  for ((n = 0; n < 300; n++)); do
    exec {link}<>"/dev/tcp/$0/36524" || break
    printf "$hello" >&"$link" || true
    links+=("$link")
  done
  echo enough
  until [[ -e announce ]]; do sleep 0.1; done
  # Room for some more connections.
  for link in "${links[@]:60}"; do exec {link}>&-; done
  for ((n = 0; n < 1024; n++)); do
    printf -v target '%s\\0@\\%03o\\%03o%s' "$front" $((n >> 8)) $((n & 255)) "$back"
    targets+=$target
  done
  for n in "${!links[@]}"; do
    ((n < 60)) || break
    printf -v link '\\%03o' "$n"
    printf "${targets//@/"$link"}" >&"${links[n]}" || true
  done
  echo announced
  for ((n = 0; ; n++)); do
    printf -v target '%s\\001\\0\\%03o\\%03o%s' "$front" $((n >> 8 & 255)) $((n & 255)) "$back"
    exec {link}<>"/dev/tcp/$0/36524" && printf "$hello$target" >&"$link" && exec {link}>&-
    sleep 0.02
  done
}
