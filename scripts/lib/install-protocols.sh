# shellcheck shell=bash
# Requirements of the cases with many protocols: servers from Debian, without their services, and a virtual environment with
# servers and clients in Python, made once a machine in $PROTOCOL_PEERS.

# shellcheck source=scripts/lib/install-databases.sh
source "$ROOT/scripts/lib/install-databases.sh"
# shellcheck source=scripts/lib/protocols.sh
source "$ROOT/scripts/lib/protocols.sh"

install_protocols() {
  LIBRARIES+=(python3-venv postgresql)
  install_packages mariadbd:mariadb-server-core memcached:memcached mosquitto:mosquitto dovecot:dovecot-imapd \
    sshd:openssh-server ssh:openssh-client dnsmasq:dnsmasq-base openssl:openssl
  mkdir -p "$DATABASES"
  local lock status=0
  exec {lock}>"$DATABASES.lock"
  flock "$lock"
  made peers protocol_peers || status=1
  made pg-drivers postgres_drivers || status=1
  made plugin ed25519_plugin && made mariadb mariadb_template || status=1
  exec {lock}>&-
  return "$status"
}

postgres_drivers() {
  rm -rf "$PG_DRIVERS"
  /usr/bin/python3 -m venv "$PG_DRIVERS" && "$PG_DRIVERS/bin/pip" -q install 'psycopg[binary]' asyncpg
}

protocol_peers() {
  # A virtual environment does not bear to be renamed.
  rm -rf "$PROTOCOL_PEERS"
  /usr/bin/python3 -m venv "$PROTOCOL_PEERS" &&
    "$PROTOCOL_PEERS/bin/pip" -q install websockets grpcio h2 redis pymemcache python-binary-memcached paho-mqtt pika aiosmtpd \
      pyftpdlib pg8000 PyMySQL pymongo
}
