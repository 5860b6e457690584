# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/fuzz.sh
source "$ROOT/scripts/lib/fuzz.sh"
about='connections of copies break at random, one a second, under a load that keeps state in them: no wrong row, every lost row counted'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() { state_kept mariadb; }

state_kept() {
  fuzz_servers "$1"
  fuzz_start append 1 10 seconds "$(size 8 60)" 10
  fuzz_faults 1
  sql_ended
  fuzz_sum
  ((FAULTS > 4)) || fail 'no connection was broken'
  fuzz_explained
}
