# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/fuzz.sh
source "$ROOT/scripts/lib/fuzz.sh"
about='random SQL scripts by two drivers, some while connections of copies break: both servers have the same data, or the difference is counted'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() { fuzz mariadb; }

# fuzz KIND: batches of scripts at a time. The first half of them leaves equal data on both servers. Connections break during
# the second half, which only adds rows. FUZZ_FIRST is the number of the first script, to run others.
fuzz() {
  local batch first=${FUZZ_FIRST:-0} batches scripts
  batches=$(size 1 20)
  scripts=$(size 10 25)
  fuzz_servers "$1"
  for ((batch = 0; batch < batches; batch++)); do
    fuzz_start any "$((first + scripts * batch))" "$scripts" statements 120
    load_end fuzz
    settle
    fuzz_compare any
    ((DIFFERING == 0)) || fail "$DIFFERING scripts differ: $(awk '/^script/ { print $2 }' compared.txt | paste -sd' ')"
    fuzz_drop
  done
  ledger_holds tcpcopy '.ledger.sessions.incomplete | add == 0' 'sessions are incomplete'
  for ((batch = batches; batch < 2 * batches; batch++)); do
    fuzz_start append "$((first + scripts * batch))" "$scripts" statements 120 10
    fuzz_faults 0.1
    PATIENCE=3 settle
    fuzz_sum
    fuzz_drop
  done
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  fuzz_explained
}
