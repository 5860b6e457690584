# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/redis.sh
source "$ROOT/scripts/lib/redis.sh"
about='Redis in database 3, the copy killed at random: all that counts as replayed is in database 3'
unit=writes
wire=any
ours=yes
fault=yes

run() { redis_reconnect_case 10; }

# redis_reconnect_case CONNECTIONS [ARGUMENT...]: of the client.
redis_reconnect_case() {
  local connections=$1
  shift
  REDIS_PREFIX=key
  # Each sends a SELECT before its writes.
  REDIS_OTHER_BYTES=$((connections * ${REDIS_SETUP_BYTES:-23}))
  redis_servers ${REDIS_PASSWORDS:+"${REDIS_PASSWORDS[@]}"}
  redis_copying ${REDIS_PASSWORDS:+--config tcpcopy.toml}
  redis_write writer "$REDIS_PREFIX" --connections "$connections" --writes 20000 "$@"
  redis_kill 8
  load_end writer
  redis_ends
  ((N_ONLINE == 20000)) || fail "the client wrote $N_ONLINE keys only"
  ((N_TEST > N_ONLINE * 9 / 10)) || fail 'too little arrived'
  ledger_holds tcpcopy '.protocols.redis.sessions.restored > 0' 'no connection was restored'
  ledger_holds tcpcopy '.protocols.redis.sessions.restoration_refused == null' 'the test server refused'
}
