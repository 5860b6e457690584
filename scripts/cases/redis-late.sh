# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/redis.sh
source "$ROOT/scripts/lib/redis.sh"
about='tcpcopy starts during Redis sessions in database 3, with an account on the online server: all is copied into database 3'
unit=writes
wire=any
ours=yes

run() {
  redis_config '[redis.users]' 'default = "of-test"' '[online.redis]' "address = \"$ONLINE4:6379\"" 'user = "tcpcopy"' \
    'password = "of-tcpcopy"'
  redis_late_case --config tcpcopy.toml
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) writes are missing"
  ledger_holds tcpcopy '.protocols.redis.sessions.known_by_online_server == 10' 'not all sessions are known'
  ledger_holds tcpcopy '.ledger.sessions.seen == 10' 'there are more sessions than clients'
}

# redis_late_case [ARGUMENT...]: of tcpcopy.
redis_late_case() {
  REDIS_PREFIX=key
  redis_servers of-online of-test
  redis_state online acl setuser tcpcopy on '>of-tcpcopy' '+client|list' >/dev/null
  mkfifo go
  redis_write writer "$REDIS_PREFIX" --writes 5000 --hold ready go
  await 10 test -e ready || stopped_short 'the client cannot connect' writer
  # The first write of each connection was before.
  counting count_redis_keys
  redis_copying "$@"
  echo go >go
  load_end writer
  redis_ends
  ((N_ONLINE == 5000)) || fail "the client wrote $N_ONLINE keys only"
  ledger_holds tcpcopy '.ledger.sessions.joined == 10' 'not all sessions were joined in mid-stream'
}
