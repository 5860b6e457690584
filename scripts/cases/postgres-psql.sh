# shellcheck shell=bash disable=SC2034
about='psql with sslmode=prefer: COPY both ways, errors in the middle, savepoints, cursors; a COPY that the test server refuses; pg_dump and its script'
unit=rows
wire=any
ours=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local host
  pg_servers
  for host in online test; do pg_ask "$host" 'CREATE TABLE said (n int, what text)'; done
  pg_ask online 'CREATE TABLE only_online (n int, what text)'
  seq "$(size 20000 200000)" | awk '{ print $1 "\tfrom a file" }' >"$CASE_DIR/rows.txt"
  psql_script >"$CASE_DIR/script.sql"
  copying 5432 -B 256 --config tcpcopy.toml
  counting psql_count
  load script env PGPASSWORD=app-online PGSSLMODE=prefer psql -qX -h "$ONLINE4" -U app -d postgres -f "$CASE_DIR/script.sql"
  settle
  load dump env PGPASSWORD=app-online pg_dump -h "$ONLINE4" -U app -t said -f "$CASE_DIR/dump.sql" postgres
  sed -i 's/public\.said/public.restored/g' "$CASE_DIR/dump.sql"
  load restore env PGPASSWORD=app-online psql -qX -h "$ONLINE4" -U app -d postgres -f "$CASE_DIR/dump.sql"
  await 60 restored_everywhere || fail 'the dump was not restored'
  all_arrived
  [[ $(psql_sum online) == "$(psql_sum test)" ]] || fail 'the rows differ'
  ledger_holds tcpcopy '.protocols.postgres.left_out == {"copy_refused": 1}' 'more was left out than one COPY'
}

psql_script() {
  cat <<SQL
INSERT INTO said VALUES (1, 'first');
SELECT 1 / 0;
INSERT INTO nowhere VALUES (1);
BEGIN;
INSERT INTO said VALUES (2, 'in a transaction');
SAVEPOINT s;
INSERT INTO said VALUES (3, 'rolled back');
SELECT 1 / 0;
ROLLBACK TO s;
INSERT INTO said VALUES (4, 'after a savepoint');
COMMIT;
COPY said FROM STDIN;
5	from a script
6	from a script
\\.
\\copy said FROM '$CASE_DIR/rows.txt'
COPY said FROM STDIN;
no number
\\.
COPY only_online FROM STDIN;
7	INSERT INTO said VALUES (0, 'data');
\\.
INSERT INTO said VALUES (8, 'after the refused');
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM said ORDER BY n;
FETCH 10000 FROM c;
MOVE 100 FROM c;
CLOSE c;
INSERT INTO said VALUES (9, 'after a cursor');
COMMIT;
\\copy (SELECT * FROM said) TO '$CASE_DIR/copied.txt'
INSERT INTO said VALUES (10, 'first of two') \\; INSERT INTO said VALUES (11, 'second of two');
DO \$\$ BEGIN INSERT INTO said VALUES (12, 'in a block; COMMIT'); END \$\$;
SQL
}

psql_count() { pg_ask "$1" "SELECT count(*) FROM said"; }
restored_everywhere() { [[ $(pg_ask test 'SELECT count(*) FROM restored') == "$(pg_ask online 'SELECT count(*) FROM restored')" ]]; }
psql_sum() {
  pg_ask "$1" "SELECT md5(string_agg(said::text, ',' ORDER BY n, what)), (SELECT md5(string_agg(it::text, ',' ORDER BY n, what))
    FROM restored it) FROM said"
}
