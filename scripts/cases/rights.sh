# shellcheck shell=bash disable=SC2034
about='both programs as root, with file capabilities and as under a service manager: no right is left, and all is copied'
wire=any
ours=yes

# What the programs need to start; the third one lets them empty the bounding set.
CAPABILITIES=cap_net_raw,cap_net_admin,cap_setpcap

run() {
  local as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups) kept=+net_raw,+net_admin,+setpcap
  local as_unit=("${as_nobody[@]}" --bounding-set="-all,$kept" --inh-caps="-all,$kept" --ambient-caps="-all,$kept")
  nginx_start online
  nginx_start test
  copied_without_rights root
  copied_without_rights 'several workers' -C 2

  cp "$TCPCOPY_BIN" "$INTERCEPT_BIN" .
  setcap "$CAPABILITIES+ep" tcpcopy || fail 'no file capabilities: install libcap2-bin'
  setcap "$CAPABILITIES+ep" intercept
  TCPCOPY_COMMAND=("${as_nobody[@]}" "$CASE_DIR/tcpcopy") INTERCEPT_COMMAND=("${as_nobody[@]}" "$CASE_DIR/intercept")
  copied_without_rights 'file capabilities'
  TCPCOPY_COMMAND=("${as_unit[@]}" "$TCPCOPY_BIN") INTERCEPT_COMMAND=("${as_unit[@]}" "$INTERCEPT_BIN")
  copied_without_rights 'a service manager'
}

# copied_without_rights HOW [ARGUMENT...]
copied_without_rights() {
  local how=$1
  copying 80 "${@:2}"
  no_right_left "$how" "${TCPCOPY[tcpcopy]}"
  no_right_left "$how" "$INTERCEPT"
  not_open_to_its_user "$how" "${TCPCOPY[tcpcopy]}"
  counting count_http
  load ab ab -q -c 10 -n "$(size 1000 10000)" "http://$ONLINE4/"
  all_arrived
  ! grep -h 'WARN.*\(bounding set\|stays user\|system calls\)' tcpcopy.log intercept.log || fail "$how: a right was kept"
}

# no_right_left HOW PID: says which thread has which right.
no_right_left() {
  local status threads=0
  for status in /proc/"$2"/task/*/status; do
    threads=$((threads + 1))
    awk -v how="$1" '
      function must(good) { if (!good) { print how ": " name " has " $0; bad = 1 } }
      /^Name:/ { name = $2 }
      /^(Uid|Gid):/ { must($2 != 0 && $3 != 0 && $4 != 0 && $5 != 0) }
      /^Groups:/ { must(NF == 1) }
      /^Cap(Inh|Prm|Eff|Bnd|Amb):/ { must($2 == "0000000000000000"); sets++ }
      /^NoNewPrivs:/ { must($2 == 1); sets++ }
      /^Seccomp:/ { must($2 == 2); sets++ }
      END { if (sets != 7) { print how ": " name ": not all is known"; bad = 1 } exit bad }' "$status" >right.txt ||
      fail "$(<right.txt)"
  done
  ((threads >= 2)) || fail "$1: $threads threads"
}

# Another process of the same user learns nothing and changes nothing.
not_open_to_its_user() {
  local file
  for file in environ maps mem; do
    ! setpriv --reuid=65534 --regid=65534 --clear-groups head -c 1 "/proc/$2/$file" >/dev/null 2>&1 ||
      fail "$1: another process of its user can read $file"
  done
}
