// Commands of Node's driver mysql2: sql-driver.cjs HOST USER PASSWORD
//
// It fills the table said_by_node. All its commands must reach the test server and leave the same data there; the case
// compares the data.

const mysql = require('mysql2/promise');

const [host, user, password] = process.argv.slice(2);
const server = { host, user, password, database: 'sbtest', multipleStatements: true };

async function withConnection(work, more = {}) {
  const link = await mysql.createConnection({ ...server, ...more });
  try {
    return await work(link);
  } finally {
    await link.end();
  }
}

const insert = 'INSERT INTO said_by_node (id, what, body) VALUES (?, ?, ?)';

async function prepared(link) {
  for (let n = 0; n < 50; n++) {
    await link.execute(insert, [1000 + n, 'prepared', Buffer.alloc(n * 100, 'x')]);
    await link.execute('SELECT what FROM said_by_node WHERE id = ?', [1000 + n]);
  }
  link.unprepare(insert); // its number is not used again
  await link.execute(insert, [1100, 'prepared again', null]);
  const statement = await link.prepare('UPDATE said_by_node SET what = ? WHERE id = ?');
  for (let n = 0; n < 10; n++) await statement.execute([`changed ${n}`, 1000 + n]);
  await statement.close();
}

async function failures(link) {
  for (let n = 0; n < 5; n++) {
    await link.execute('SELECT nothing FROM nowhere WHERE id = ?', [n]).catch(() => {});
    await link.query('SELECT nonsense FROM').catch(() => {});
    await link.execute(insert, [1200 + n, 'after failure', null]);
  }
}

async function batch(link) {
  const rows = Array.from({ length: 500 }, (_, n) => [2000 + n, 'batch', null]);
  await link.query('INSERT INTO said_by_node (id, what, body) VALUES ?', [rows]);
}

async function severalResults(link) {
  await link.query("INSERT INTO said_by_node (id, what) VALUES (3000, 'one of two'); SELECT 1; INSERT INTO said_by_node (id, what) VALUES (3001, 'two of two')");
  await link.query("CREATE PROCEDURE said_twice() BEGIN SELECT 1; SELECT 2; INSERT INTO said_by_node (id, what) VALUES (3002, 'called'); END");
  await link.query('CALL said_twice()');
}

async function transactions(link) {
  await link.beginTransaction();
  await link.execute(insert, [4000, 'committed', null]);
  await link.commit();
  await link.beginTransaction();
  await link.execute(insert, [4001, 'rolled back', null]);
  await link.rollback();
}

// More than one connection at a time, and commands that are queued before the one before them is answered.
async function pool() {
  const several = mysql.createPool({ ...server, connectionLimit: 5 });
  await Promise.all(Array.from({ length: 100 }, (_, n) => several.execute(insert, [5000 + n, 'pool', null])));
  await several.end();
}

async function main() {
  for (const work of [prepared, failures, batch, severalResults, transactions]) await withConnection(work);
  await withConnection(compressed, { compress: true });
  await pool();
  for (let n = 0; n < 20; n++) {
    await withConnection((link) => link.execute(insert, [6000 + n, 'reconnected', null]));
  }
}

async function compressed(link) {
  for (let n = 0; n < 20; n++) await link.execute(insert, [7000 + n, 'compressed', Buffer.alloc(20000, 'y')]);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
