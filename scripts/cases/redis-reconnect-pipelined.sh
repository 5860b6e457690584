# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis-reconnect.sh
source "$ROOT/scripts/cases/redis-reconnect.sh"
about='the same, pipelined by 16'

run() { redis_reconnect_case 5 --pipeline 16; }
