# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/redis.sh
source "$ROOT/scripts/cases/redis.sh"
about='redis-benchmark SET and INCR, pipelined by 16; the same data on both hosts'

run() { redis_case "$(size 200000 2000000)" -P 16; }
