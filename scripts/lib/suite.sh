# shellcheck shell=bash
# Cases by name: the list of cases, and how each runs in the current lab.

all_cases() {
  local file
  for file in "$ROOT"/scripts/cases/*.sh; do
    file=${file##*/}
    echo "${file%.sh}"
  done
}

# case_setting NAME VARIABLE: a setting of a case.
case_setting() (
  about='' unit=requests wire=both ours='' fault='' finds='' full='' needs='' answers=''
  # shellcheck source=/dev/null
  source "$ROOT/scripts/cases/$1.sh"
  echo "${!2}"
)

# A run is a case, or NAME:ANSWERS if the answers of the test server are not the equal ones.
run_name() { if [[ ${2:-equal} == equal ]]; then echo "$1"; else echo "$1:$2"; fi; }
run_case_name() { echo "${1%%:*}"; }
run_answers() { if [[ $1 == *:* ]]; then echo "${1#*:}"; else echo equal; fi; }

# runs_of NAME [ANSWERS...]: the runs of a case, of these answers those that it has. With none, or of a case that does
# not ask for any, it is the case itself.
runs_of() {
  local name=$1 answers kind
  answers=" $(case_setting "$name" answers) "
  shift
  if [[ $answers == '  ' ]] || (($# == 0)); then
    echo "$name"
    return
  fi
  for kind; do
    [[ $answers != *" $kind "* ]] || run_name "$name" "$kind"
  done
}

all_runs_of() {
  local kinds
  read -ra kinds <<<"$(case_setting "$1" answers)"
  runs_of "$1" "${kinds[@]}"
}

# need_run NAME[:ANSWERS]: it is one that exists.
need_run() {
  local name
  name=$(run_case_name "$1")
  [[ -e $ROOT/scripts/cases/$name.sh ]] || die "no such case: $name; see scripts/test --list"
  [[ $1 != *:* || " $(case_setting "$name" answers) " == *" $(run_answers "$1") "* ]] ||
    die "$name has no answers '$(run_answers "$1")'; see scripts/test --list"
}

# need_servers NAME...: installs databases and servers of other protocols if one of the cases wants them.
need_servers() (
  needs=' '
  for name in "${@%%:*}"; do needs+="$(case_setting "$name" needs) "; done
  [[ $needs != *' databases '* ]] || install_databases || exit
  [[ $needs != *' dns '* ]] || install_packages nsd:nsd || exit
  [[ $needs != *' protocols '* ]] || install_protocols
)

# run_case NAME[:ANSWERS] OFFLOADS: runs it, keeps the remains of a failure under $KEEP.
run_case() {
  local name=$1 offloads=$2 status=0 kept
  # In the background, because a trap runs at once only during a wait. With env, because background commands of a script
  # ignore SIGINT.
  OFFLOADS=$offloads LAB=$LAB ANSWER_KIND=$(run_answers "$name") \
    env --default-signal=INT "$ROOT/scripts/lib/run-case" "$(run_case_name "$name")" &
  CASE_PID=$!
  wait "$CASE_PID" || status=$?
  CASE_PID=
  [[ $(jq -r .verdict "$LAB_DIR/case/result.json" 2>/dev/null) == PASS ]] || ((status != 0)) || status=1
  if ((status != 0)) && [[ -d $LAB_DIR/case ]]; then
    kept=$KEEP/${name/:/-}-offloads-$offloads
    rm -rf "$kept"
    mkdir -p "$kept"
    # Logs and accounts, not the files that were uploaded.
    (cd "$LAB_DIR/case" && find . \( -name '*.log' -o -name '*.json' -o -name '*.txt' -o -name '*.conf' \) \
      -size -2M -exec cp --parents -t "$kept" {} +) || true
    say "  its logs and ledger: $kept"
    give_back "$KEEP"
  fi
  return "$status"
}

# Before every use: what an earlier run left is removed; when the script ends, so is this one's.
open_lab() {
  check_lab_name
  lock_lab
  trap close_lab EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  lab_down
  lab_up
}

CASE_PID=
close_lab() {
  trap - EXIT
  trap '' INT TERM HUP # once is enough: what is taken down now must not stay half-way
  if [[ -n $CASE_PID ]]; then
    kill -TERM "$CASE_PID" 2>/dev/null || true
    wait "$CASE_PID" || true
  fi
  lab_down
}
