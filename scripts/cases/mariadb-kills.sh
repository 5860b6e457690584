# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/kills.sh
source "$ROOT/scripts/lib/kills.sh"
about='KILL in many ways: the copy of the victim dies, or the kill is counted; strangers with the same ids live'
unit=commands
wire=any
ours=yes
needs=databases

run() { kills mariadb soft 'process kill' 'executable of mariadb'; }

# kills KIND WAY...: these must hit, too.
kills() {
  kill_servers "$1"
  kills_start "$1" at-once
  kills_end
  kills_hit plain connection several first executable 'executable verb' 'long comment' 'comment inside' \
    query 'query several' 'query long comment' "${@:2}"
}
