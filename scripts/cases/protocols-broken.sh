# shellcheck shell=bash disable=SC2034
about='23 protocols whose copies lose their connections once: copied on, or dropped as state_lost; few connections'
unit=protocols
wire=any
ours=yes
full=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/protocols.sh
  source "$ROOT/scripts/lib/protocols.sh"
  local name all
  peers_up
  peers_copied
  peers_talk
  sleep 1
  for name in "${PROTOCOLS[@]}"; do
    case $name in
      ssh | tls | mysql) ;; # secrets of the connection: the test server has closed it, or received nothing
      *) break_connections test "${PEERS_PORT[$name]}" ;;
    esac
  done
  sleep "$(size 4 15)"
  peers_silent
  copy_stop
  NOTES=() # of each tcpcopy; protocols.txt has it in order
  # Each session needs one more connection. Those that are made at once may be broken with the others.
  for name in http memcached memcached_binary redis dns kafka binary; do
    all=$(peer_connections online "$name")
    peer_was "$name" copied $((2 * all + 3))
  done
  PEER_CALLED[ssh]=SSH # which a session shows at its start only
  for name in h2c grpc websocket redis3 mqtt amqp smtp imap ftp ssh postgres mysql mongo; do
    peer_was "$name" lost "$(peer_connections online "$name")"
  done
  # Its clients only listen.
  peer_was sse copied "$(peer_connections online sse)"
  peer_was greeted lost $(($(peer_connections online greeted) + 3))
  peer_was tls tls "$(peer_connections online tls)"
  N_ONLINE=${#PROTOCOLS[@]} N_TEST=$((N_ONLINE - ${#FAILURES[@]}))
}
