# shellcheck shell=bash disable=SC2034
about='redis-benchmark GET, 50 connections; the values of the test server have other lengths'
unit=commands
answers='equal shorter half longer random'

run() {
  local keys=1000
  redis_start online
  redis_start test
  fill online equal
  fill test "$ANSWER_KIND"
  copying 6379
  counting count_gets
  load benchmark redis-benchmark -h "$ONLINE4" -q -c 50 -n "$(size 50000 300000)" -r "$keys" get key:__rand_int__
  all_arrived
}

# fill HOST KIND: the keys that the benchmark asks for, with values that differ like the answers in servers.sh.
fill() {
  local bytes=$ANSWER_BYTES
  case $2 in
    shorter) bytes=$((bytes - 2)) ;;
    half) bytes=$((bytes / 2)) ;;
    longer) bytes=$((bytes * 3)) ;;
  esac
  redis_ask "$1" eval "for n = 0, $keys - 1 do
      local bytes = $bytes
      if '$2' == 'random' then bytes = math.random(bytes / 10, bytes * 2) end
      redis.call('set', string.format('key:%012d', n), string.rep('a', bytes))
    end" 0 >fill.log
}

count_gets() { redis_ask "$1" info commandstats | awk -F '[:=,]' '/^cmdstat_get:/ { n += $3 } END { print n + 0 }'; }
