# shellcheck shell=bash disable=SC2034
about='scripts/route-setup killed at each change, in add and in del: another add completes it, del undoes it exactly'
unit=kills
wire=any
ours=yes

# shellcheck source=scripts/lib/routes.sh
source "$ROOT/scripts/lib/routes.sh"

SETUP=(--port '80,443' --via "$ASSIST4,$ASSIST6" --except "$ONLINE4" --by-mark)

run() {
  local step=0
  killer
  test_host_state >before.txt
  route_setup add "${SETUP[@]}" >setup.log
  test_host_state >set.txt
  route_setup del >>setup.log
  # Before the first change. Before another one is after the one that precedes it.
  killed before 1 add "${SETUP[@]}" || fail 'it was not killed'
  undone 'add killed before its first change'
  while step=$((step + 1)) && killed after "$step" add "${SETUP[@]}"; do
    undone "add killed after change $step"
    killed after "$step" add "${SETUP[@]}" || true
    route_setup add "${SETUP[@]}" >>setup.log || fail "add killed after change $step: it cannot be continued"
    state_is_as set.txt "add killed after change $step, then add"
    killed after "$step" del || true
    undone "del killed after change $step"
    N_ONLINE=$((N_ONLINE + 3))
  done
  undone 'add'
  N_TEST=$N_ONLINE
  ((N_ONLINE > 20)) || fail "only $N_ONLINE kills"
}

undone() { # AFTER WHAT
  route_setup del >>setup.log || fail "$1: it cannot be undone"
  state_is_as before.txt "$1, then del"
}

# killed before|after STEP ARGUMENT...: runs route-setup, and kills it at that change. Fails if it comes to its end.
killed() {
  local moment=$1 step=$2 status=0
  shift 2
  echo "$step" >"$CASE_DIR/changes-left"
  KILL_MOMENT=$moment KILL_COUNT=$CASE_DIR/changes-left PATH=$CASE_DIR/killer:$PATH route_setup "$@" >>setup.log 2>&1 || status=$?
  ((status == 0 || status == 137)) || fail "$* ended with status $status: $(tail -n 1 setup.log)"
  ((status == 137))
}

# Commands that kill their caller at the given change.
killer() {
  local name
  mkdir killer
  for name in ip sysctl nft; do
    cat >"killer/$name" <<KILLER
#!/usr/bin/env bash
case " \$* " in
  *' rule add '* | *' rule del '* | *' route add '* | *' route del '* | *' -w '* | *'delete table'* | *'chain output'*)
    left=\$((\$(<"\$KILL_COUNT") - 1))
    echo "\$left" >"\$KILL_COUNT"
    [[ \$left != 0 || \$KILL_MOMENT != before ]] || { kill -KILL "\$PPID"; exit; }
    $(type -P "$name") "\$@" || exit
    [[ \$left != 0 || \$KILL_MOMENT != after ]] || kill -KILL "\$PPID"
    ;;
  *) exec $(type -P "$name") "\$@" ;;
esac
KILLER
    chmod +x "killer/$name"
  done
}
