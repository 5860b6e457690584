# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/kills.sh
source "$ROOT/scripts/lib/kills.sh"
about='KILL and KILL QUERY while the copies of the victims are 2 s behind: the same statement is hit, or the kill is counted'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() {
  kill_servers mariadb
  kills_start mariadb behind
  await 10 reached test 60 || fail 'no load'
  pause 2 "$(<test/sql.main)"
  kills_end
}
