# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/redis.sh
source "$ROOT/scripts/lib/redis.sh"
about='the same while clients write and the copy is killed: copied from the answer of the online server on'
unit=writes
wire=any
ours=yes
fault=yes

run() {
  REDIS_PREFIX=key
  redis_servers
  redis_config '[online.redis]'
  redis_write writer "$REDIS_PREFIX" --writes 20000
  await 10 more_than 2000 count_redis_keys online || stopped_short 'the client does not write' writer
  redis_copying --config tcpcopy.toml
  redis_kill 4
  load_end writer
  redis_ends
  ((N_TEST > N_ONLINE / 2)) || fail 'too little arrived'
  ledger_holds tcpcopy '.protocols.redis.sessions.known_by_online_server >= 10' 'not all sessions are known'
  ledger_holds tcpcopy '.ledger.sessions.seen == 10' 'there are more sessions than clients'
}
