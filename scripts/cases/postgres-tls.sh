# shellcheck shell=bash disable=SC2034
about='psql over TLS: nothing can be copied, and the report explains it'
unit=rows
wire=any
ours=yes
full=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/protocols.sh
  source "$ROOT/scripts/lib/protocols.sh"
  local host rows=20 row
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout key.pem -out cert.pem >openssl.log 2>&1
  install -o postgres -m 600 key.pem postgres-key.pem
  for host in online test; do
    mkdir -p "$CASE_DIR/$host"
    postgres_peer "$host" 5432 -c ssl=on -c "ssl_cert_file=$CASE_DIR/cert.pem" -c "ssl_key_file=$CASE_DIR/postgres-key.pem"
    await 60 listening "$host" 5432 || stopped_short "no PostgreSQL on $host" "$host/postgres"
    psql_at "$host" 'CREATE TABLE copied (n int)' >/dev/null
  done
  copying 5432
  for ((row = 0; row < rows; row++)); do
    load "psql-$row" psql -qX "host=$ONLINE4 user=lab dbname=postgres sslmode=require" -c "INSERT INTO copied VALUES ($row)"
  done
  sleep 1
  copy_stop
  N_ONLINE=$(psql_at online 'SELECT count(*) FROM copied') N_TEST=$(psql_at test 'SELECT count(*) FROM copied')
  ((N_ONLINE == rows)) || fail "$N_ONLINE of $rows rows on the online server"
  ((N_TEST == 0)) || fail "$N_TEST rows were copied: they were encrypted"
  ledger_holds tcpcopy ".ledger.bytes.dropped.tls > 0 and .ledger.sessions.incomplete.tls == $rows" 'is not dropped as tls'
  ledger_holds tcpcopy '.ledger.sessions.replayed == 0' 'sessions count as whole'
  grep -q 'replayed 100.000 %' tcpcopy.log && fail 'the log claims that all was replayed'
  grep -q 'hint: TLS cannot be copied' tcpcopy.log || fail 'no hint reports the encryption'
}

psql_at() { on "$1" psql -AqtX -h "$CASE_DIR/$1/postgres" -U lab -d postgres -c "$2"; }
