# shellcheck shell=bash
# Servers of many protocols on the online and the test host, clients that stay connected to all of them, a tcpcopy for
# each, and what became of its sessions. Installed by install-protocols.sh.

PROTOCOL_PEERS=$DATABASES/protocol-peers # servers and clients in Python
PG_DRIVERS=$DATABASES/postgres-drivers # clients of PostgreSQL in Python

# A target for each, so that each has an account and connections of its own.
PROTOCOLS=(http h2c grpc websocket sse redis redis3 memcached memcached_binary mqtt amqp smtp imap ftp ssh tls postgres mysql
  kafka mongo dns binary greeted)
PEERS_FIRST_PORT=7001 PEERS_SESSIONS=5
declare -A PEERS_PORT=()
for PEER in "${!PROTOCOLS[@]}"; do PEERS_PORT[${PROTOCOLS[PEER]}]=$((PEERS_FIRST_PORT + PEER)); done

# Their names in the log.
declare -A PEER_CALLED=([h2c]=HTTP/2 [grpc]=HTTP/2 [websocket]=WebSocket [redis]=Redis [redis3]=Redis
  [memcached_binary]='memcached (binary)' [mqtt]=MQTT [amqp]=AMQP [smtp]=SMTP [imap]=IMAP [ftp]=FTP [postgres]=PostgreSQL
  [mysql]=MySQL [mongo]=MongoDB)

# peers_up: all servers on both hosts.
peers_up() {
  local host name
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout key.pem -out cert.pem >openssl.log 2>&1
  ssh-keygen -q -t ed25519 -N '' -f ssh-key
  cp -p ssh-key ssh-host-key
  for host in online test; do
    mkdir -p "$CASE_DIR/$host"
    for name in "${PROTOCOLS[@]}"; do peer_start "$host" "$name"; done
  done
  for host in online test; do
    for name in "${PROTOCOLS[@]}"; do
      await 60 listening "$host" "${PEERS_PORT[$name]}" || stopped_short "no server of $name on $host" "$host/$name"
    done
    peers_count "$host"
  done
}

# peer_start HOST PROTOCOL
peer_start() {
  local host=$1 name=$2 dir=$CASE_DIR/$1 port=${PEERS_PORT[$2]} command
  case $name in
    http) nginx_peer "$host" "$port" '' ;;
    h2c) nginx_peer "$host" "$port" http2 ;;
    redis | redis3) command=(redis-server --port "$port" --bind 0.0.0.0 --protected-mode no --save '' --appendonly no) ;;
    memcached | memcached_binary) command=(memcached -u nobody -p "$port" -U 0) ;;
    mqtt)
      printf 'listener %s 0.0.0.0\nallow_anonymous true\nuser root\n' "$port" >"$dir/mqtt.conf"
      command=(mosquitto -c "$dir/mqtt.conf")
      ;;
    imap) dovecot_peer "$host" "$port" ;;
    ssh)
      mkdir -p /run/sshd # sshd needs it for privilege separation
      command=(/usr/sbin/sshd -D -e -f /dev/null -p "$port" -h "$CASE_DIR/ssh-host-key" -o PidFile=none -o StrictModes=no
        -o UsePAM=no -o "AuthorizedKeysFile=$CASE_DIR/ssh-key.pub" -o PermitRootLogin=yes -o MaxStartups=100)
      ;;
    postgres) postgres_peer "$host" "$port" ;;
    mysql)
      cp -a --sparse=always "$DATABASES/mariadb" "$dir/mysql"
      printf "CREATE USER 'lab'@'%%' IDENTIFIED BY 'lab';\n" >"$dir/mysql.sql"
      command=("${MARIADBD[@]}" --datadir="$dir/mysql" --socket="$dir/mysql.sock" --port="$port" --init-file="$dir/mysql.sql")
      ;;
    dns)
      command=(dnsmasq -k -C /dev/null -u root -p "$port" --no-resolv --no-hosts --address=/lab/192.0.2.1 --pid-file
        --local-service)
      ;;
    *) command=("$PROTOCOL_PEERS/bin/python" "$ROOT/scripts/lib/protocol-servers.py" "$name" "$port" "$CASE_DIR") ;;
  esac
  [[ -z ${command[*]-} ]] || spawn "$host" "$dir/$name.log" "${command[@]}"
}

# nginx_peer HOST PORT OPTION
nginx_peer() {
  local dir=$CASE_DIR/$1/nginx-$2
  mkdir -p "$dir"
  cat >"$dir/nginx.conf" <<CONF
user root; daemon off; worker_processes 1; pid $dir/nginx.pid; error_log $dir/error.log warn;
events { worker_connections 1000; }
http {
  access_log off; keepalive_requests 100000; keepalive_timeout 600s; default_type text/plain;
  client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
  server { listen $2 $3; location / { return 200 "Hello from the lab.\\n"; } }
}
CONF
  spawn "$1" "$dir/nginx.log" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
}

# dovecot_peer HOST PORT: anybody may log in.
dovecot_peer() {
  local dir=$CASE_DIR/$1/dovecot
  mkdir -p "$dir"
  cat >"$dir/dovecot.conf" <<CONF
base_dir = $dir/run
state_dir = $dir/state
log_path = /dev/stderr
protocols = imap
listen = 0.0.0.0
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:$dir/mail
first_valid_uid = 0
default_internal_user = dovecot
service anvil {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $2
  }
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$dir/mail
}
CONF
  mkdir -p "$dir/mail"
  chmod 777 "$dir/mail"
  spawn "$1" "$CASE_DIR/$1/imap.log" dovecot -F -c "$dir/dovecot.conf"
}

# postgres_peer HOST PORT [OPTION...]: as the user of Debian's package, because PostgreSQL does not run as root.
postgres_peer() {
  local dir=$CASE_DIR/$1/postgres bin
  bin=$(dirname "$(find /usr/lib/postgresql -name postgres -path '*/bin/*' | sort -V | tail -n 1)")
  install -d -o postgres -m 700 "$dir"
  runuser -u postgres -- "$bin/initdb" -D "$dir" -U lab -A trust -N >"$CASE_DIR/$1/postgres.log" 2>&1
  echo 'host all all all trust' >>"$dir/pg_hba.conf"
  spawn "$1" "$CASE_DIR/$1/postgres.log" runuser -u postgres -- "$bin/postgres" -D "$dir" -p "$2" -h 0.0.0.0 -k "$dir" -F "${@:3}"
}

# peers_count HOST: from here on, counts connections by their SYNs, of any server.
peers_count() {
  local port counters='' rules=''
  for port in "${PEERS_PORT[@]}"; do
    counters+="counter p$port { }; "
    rules+="tcp dport $port tcp flags & (syn | ack) == syn counter name p$port; "
  done
  on "$1" nft delete table inet peers 2>/dev/null || true
  on "$1" nft "table inet peers { $counters chain in { type filter hook input priority -1; $rules }; }"
}

# peer_connections HOST PROTOCOL
peer_connections() {
  on "$1" nft -j list counter inet peers "p${PEERS_PORT[$2]}" | jq '.nftables[] | .counter? // empty | .packets'
}

# peers_talk: all clients, each with its sessions.
peers_talk() {
  local name
  for name in "${PROTOCOLS[@]}"; do
    load_start client "$name" "$PROTOCOL_PEERS/bin/python" "$ROOT/scripts/lib/protocol-clients.py" "$name" "$ONLINE4" \
      "${PEERS_PORT[$name]}" "$PEERS_SESSIONS" "$CASE_DIR"
  done
  for name in "${PROTOCOLS[@]}"; do
    await 60 test -e "$CASE_DIR/$name.open" || stopped_short "the clients of $name do not talk" "$name"
  done
}

peers_silent() {
  local name
  touch stop
  for name in "${PROTOCOLS[@]}"; do load_end "$name"; done
}

# peers_copied: a tcpcopy for each.
peers_copied() {
  local name last=$((PEERS_FIRST_PORT + ${#PROTOCOLS[@]} - 1))
  intercept_start -i eth0 -F "tcp and src portrange $PEERS_FIRST_PORT-$last"
  for name in "${PROTOCOLS[@]}"; do
    tcpcopy_start "tcpcopy-$name" -x "${PEERS_PORT[$name]}-$TEST4:${PEERS_PORT[$name]}" -s "$ASSIST4" -i eth0
  done
}

# peer_was PROTOCOL CLASS CONNECTIONS: checks the outcome of its sessions. CLASS is
#   copied   nothing was dropped because of its state, and something was copied
#   lost     its stream ended with its connection: state_lost
#   unknown  not copied, because the earlier bytes are not known: state_unknown
#   tls      not copied, because it is encrypted
#   nothing  there was nothing to copy
# and CONNECTIONS is the most connections that the test server may have received. The log must name the protocol of
# sessions that were given up.
peer_was() {
  local name=$1 class=$2 most=$3 connections filter called=unknown
  connections=$(peer_connections test "$name")
  case $class in
    copied) filter='.bytes.replayed > 0 and .bytes.dropped.state_lost + .bytes.dropped.state_unknown == 0' ;;
    lost) filter='.bytes.replayed > 0 and .bytes.dropped.state_lost > 0' ;;
    unknown) filter='.bytes.replayed == 0 and .bytes.dropped.state_unknown > 0' ;;
    tls) filter='.bytes.replayed == 0 and .bytes.dropped.tls > 0' ;;
    nothing) filter='.bytes.captured == 0' ;;
  esac
  ledger_holds "tcpcopy-$name" ".ledger | $filter" "is not $class"
  if [[ $class == lost || $class == unknown ]]; then
    [[ ! -v PEER_CALLED[$name] ]] || called=${PEER_CALLED[$name]}
    grep -qF "($called) is not copied any further" "tcpcopy-$name.log" || fail "$name is not called $called in the log"
  fi
  ((connections <= most)) || fail "$name: $connections connections"
  printf '%-17s %-8s %3s online %3s test  %s\n' "$name" "$class" "$(peer_connections online "$name")" "$connections" \
    "$(ledger "tcpcopy-$name" '.ledger | "\(.bytes.captured) captured, \(.bytes.replayed) replayed, dropped: " + (.bytes.dropped
      | to_entries | map(select(.value > 0) | "\(.key) \(.value)") | join(", "))')" >>protocols.txt
}
