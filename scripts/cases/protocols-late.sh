# shellcheck shell=bash disable=SC2034
about='23 protocols whose sessions are older than tcpcopy: copied, or dropped as state_unknown; few connections'
unit=protocols
wire=any
ours=yes
full=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/protocols.sh
  source "$ROOT/scripts/lib/protocols.sh"
  local name all=$PEERS_SESSIONS
  peers_up
  peers_talk
  peers_copied
  # Whether connections are made again and again shows only after a while.
  sleep "$(size 4 15)"
  peers_silent
  copy_stop
  NOTES=() # of each tcpcopy; protocols.txt has it in order
  for name in http memcached dns; do peer_was "$name" copied "$all"; done
  # Each turn can be sent by itself, which a trial has shown.
  for name in kafka binary; do peer_was "$name" copied "$all"; done
  # Their shape shows that the server knows something.
  for name in h2c grpc websocket redis redis3 memcached_binary mqtt amqp smtp imap ftp postgres mysql mongo; do
    peer_was "$name" unknown 0
  done
  peer_was tls tls 0
  # Nothing shows it: a trial does.
  peer_was greeted unknown 3
  # sshd reads up to the end of a line: a session may end before its trial has shown anything, and leave its place.
  peer_was ssh unknown "$all"
  peer_was sse nothing 0
  N_ONLINE=${#PROTOCOLS[@]} N_TEST=$((N_ONLINE - ${#FAILURES[@]}))
}
