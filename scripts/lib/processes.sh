# shellcheck shell=bash
# Processes of the lab: started in a host, recorded, and ended by that record alone.

# spawn HOST LOG COMMAND...: starts a command in a host's background and sets SPAWNED to its process id.
# A process group of its own does not receive the terminal's Ctrl-C: this script decides which process ends first. The
# session is that of the script, because each session is a scheduling group (sched_autogroup, in sched(7)). In a session
# of its own a saturated server would get as much processor time as all its clients together, or would stop for seconds.
spawn() {
  local host=$1 log=$2
  shift 2
  set -m # job control: the next command leads a process group
  ip netns exec "$(netns "$host")" "$@" </dev/null >"$log" 2>&1 9>&- &
  set +m
  SPAWNED=$!
  record "$SPAWNED"
}

# A process id alone may be another's by the time we look again: the start time makes it unique.
record() { printf '%s %s\n' "$1" "$(start_time "$1")" >>"$LAB_DIR/pids"; }

start_time() { stat_field "$1" 22; }

# stat_field PID N: field N (of 3 and more) of /proc/PID/stat; the name before them may hold spaces.
stat_field() {
  local line fields
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  read -ra fields <<<"${line##*) }"
  printf '%s' "${fields[$2 - 3]}"
}

# Runs, that is, and is no zombie.
alive() {
  local state
  state=$(stat_field "$1" 3)
  [[ -n $state && $state != Z && $state != X ]]
}
gone() { ! alive "$1"; }

# end PID [SIGNAL [SECONDS]]: ends a process of ours, and its group by force if it will not. Fails in that case.
end() {
  local pid=$1 signal=${2:-TERM} seconds=${3:-5}
  gone "$pid" || kill "-$signal" "$pid" 2>/dev/null || true
  # The shell would announce the death of a child by SIGKILL.
  if await "$seconds" gone "$pid" 2>/dev/null; then
    return 0
  fi
  kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  await 5 gone "$pid" || true
  return 1
}

# Ends everything recorded that still runs, newest first.
stop_recorded() {
  [[ -e $LAB_DIR/pids ]] || return 0
  local pid started
  while read -r pid started; do
    [[ -n $started && $(start_time "$pid") == "$started" ]] || continue
    end "$pid" TERM 3 || true
  done < <(tac "$LAB_DIR/pids")
  rm -f "$LAB_DIR/pids"
}

# Processor time used so far, user and system, in microseconds.
cpu_us() {
  local user system
  user=$(stat_field "$1" 14) system=$(stat_field "$1" 15)
  printf '%s' $(((${user:-0} + ${system:-0}) * 1000000 / $(getconf CLK_TCK)))
}

# Largest resident memory so far, in KB.
peak_kb() { awk '/^VmHWM:/ { print $2 }' "/proc/$1/status" 2>/dev/null || true; }
