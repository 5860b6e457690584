# shellcheck shell=bash disable=SC2034
about='an interrupted installation of packages leaves no policy that prevents services from starting'
unit=checks
wire=any
ours=yes

run() {
  POLICY=$CASE_DIR/policy-rc.d
  SCRIPT="source '$ROOT/scripts/lib/common.sh'; source '$ROOT/scripts/lib/machine.sh'
    POLICY='$POLICY' POLICY_LOCK='$CASE_DIR/policy.lock' TOOLS=() LIBRARIES=()"
  local signal to
  # The terminal signals all processes, a supervisor often the script alone.
  for to in 'INT group' 'TERM group' 'HUP group' 'TERM script' 'HUP script'; do
    signal=${to% *}
    install_at_work
    kill -"$signal" -- "$([[ $to == *group ]] && printf -)$SPAWNED"
    sleep 0.5
    is "a policy for as long as packages are being installed, after $to" test -e "$POLICY"
    rm -f working
    is "no policy after $to" await 10 test ! -e "$POLICY"
    is "an end after $to" await 10 gone "$SPAWNED"
    is "nothing done after $to" test ! -e went-on
  done

  # Only the next run can repair this one.
  install_at_work
  kill -KILL -- "-$SPAWNED"
  await 10 gone "$SPAWNED" 2>/dev/null
  is 'a policy after KILL' test -e "$POLICY"
  rm -f working
  script install_packages
  is 'no policy when the next run found nothing to install' test ! -e "$POLICY"

  install_at_work
  script install_packages
  is 'a policy still when another run began' test -e "$POLICY"
  rm -f working
  is 'no policy when it is done' await 10 test ! -e "$POLICY"
  await 10 test -e went-on || fail 'an installation that nothing disturbs does not end'

  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
  script install_packages
  script without_services true
  is "the user's own policy" test -e "$POLICY"
}

# script COMMAND...: one of our scripts that does just this.
script() { bash -c "$SCRIPT; \"\$@\"" script "$@" >>script.log 2>&1; }

# One that installs packages for as long as there is a file named working, by a package manager that heeds no signals
# at work. Sets SPAWNED. Under nohup the script would have SIGHUP ignored.
install_at_work() {
  rm -f went-on "$POLICY"
  touch working
  # shellcheck disable=SC2016
  spawn assist "$CASE_DIR/install.log" env --default-signal=HUP,TERM bash -c "$SCRIPT"'
    without_services sh -c "trap \"\" INT TERM HUP; while [ -e working ]; do sleep 0.1; done"
    touch went-on'
  await 10 test -x "$POLICY" || stopped_short 'no policy at work' install
}

# is WHAT COMMAND...: one check.
is() {
  N_ONLINE=$((N_ONLINE + 1))
  if "${@:2}"; then N_TEST=$((N_TEST + 1)); else fail "there is not $1"; fi
}
