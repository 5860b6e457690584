// Commands of MariaDB's Java driver: java -cp DRIVER SqlDriver.java HOST USER PASSWORD
//
// It fills the table said_by_java. It sends preparations together with executions, and batches without waiting for
// answers. All its commands must reach the test server and leave the same data there; the case compares the data.

import java.io.ByteArrayInputStream;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;

public class SqlDriver {
    static final String INSERT = "INSERT INTO said_by_java (id, what, body) VALUES (?, ?, ?)";
    static String host, user, password;
    /// The second run uses other ids.
    static int base;

    interface Work {
        void on(Connection link) throws SQLException;
    }

    static void with(String options, Work work) throws SQLException {
        String url = "jdbc:mariadb://" + host + "/sbtest?useSSL=false&allowPublicKeyRetrieval=true&" + options;
        try (Connection link = DriverManager.getConnection(url, user, password)) {
            work.on(link);
        }
    }

    static void run(Connection link, String statement) throws SQLException {
        try (Statement it = link.createStatement()) {
            it.execute(statement);
        }
    }

    static void insert(Connection link, int id, String what, byte[] body) throws SQLException {
        try (PreparedStatement it = link.prepareStatement(INSERT)) {
            it.setInt(1, base + id);
            it.setString(2, what);
            it.setBytes(3, body);
            it.executeUpdate();
        }
    }

    static void prepared(Connection link) throws SQLException {
        for (int n = 0; n < 50; n++) {
            insert(link, 1000 + n, "prepared", new byte[n * 100]);
            try (PreparedStatement it = link.prepareStatement("SELECT what FROM said_by_java WHERE id = ?")) {
                it.setInt(1, base + 1000 + n);
                it.executeQuery().next();
            }
        }
        // Sent before the statement is executed.
        try (PreparedStatement it = link.prepareStatement(INSERT)) {
            it.setInt(1, base + 1100);
            it.setString(2, "stream");
            it.setBinaryStream(3, new ByteArrayInputStream(new byte[300_000]));
            it.executeUpdate();
        }
    }

    static void failures(Connection link) throws SQLException {
        for (int n = 0; n < 5; n++) {
            try (PreparedStatement it = link.prepareStatement("SELECT nothing FROM nowhere WHERE id = ?")) {
                it.setInt(1, n);
                it.executeQuery();
            } catch (SQLException expected) {
                insert(link, 1200 + n, "after failure", null);
            }
        }
    }

    static void batch(Connection link, int first, int size) throws SQLException {
        try (PreparedStatement it = link.prepareStatement(INSERT)) {
            for (int n = 0; n < size; n++) {
                it.setInt(1, first + n);
                it.setString(2, "batch " + n);
                it.setBytes(3, new byte[n % 200]);
                it.addBatch();
            }
            it.executeBatch();
        }
        try (Statement it = link.createStatement()) {
            for (int n = 0; n < 20; n++) {
                it.addBatch("UPDATE said_by_java SET what = 'batch of texts' WHERE id = " + (first + n));
            }
            it.executeBatch();
        }
    }

    static void severalResults(Connection link) throws SQLException {
        run(link, "INSERT INTO said_by_java (id, what) VALUES (3000, 'one of two'); SELECT 1; INSERT INTO said_by_java (id, what) VALUES (3001, 'two')");
        run(link, "CREATE PROCEDURE said_thrice(n INT) BEGIN SELECT n; SELECT n + 1; INSERT INTO said_by_java (id, what) VALUES (n, 'called'); END");
        try (CallableStatement it = link.prepareCall("{call said_thrice(?)}")) {
            it.setInt(1, 3002);
            it.execute();
            while (it.getMoreResults()) {}
        }
    }

    static void transactions(Connection link) throws SQLException {
        link.setAutoCommit(false);
        insert(link, 4000, "committed", null);
        link.commit();
        insert(link, 4001, "rolled back", null);
        link.rollback();
        insert(link, 4002, "kept", null);
        java.sql.Savepoint point = link.setSavepoint();
        insert(link, 4003, "rolled back to a savepoint", null);
        link.rollback(point);
        link.commit();
        link.setAutoCommit(true);
    }

    static void rowsInParts(Connection link) throws SQLException {
        try (Statement it = link.createStatement()) {
            it.setFetchSize(50);
            java.sql.ResultSet rows = it.executeQuery("SELECT * FROM sbtest1");
            while (rows.next()) {}
        }
        insert(link, 8000, "after rows in parts", null);
    }

    public static void main(String[] arguments) throws SQLException {
        host = arguments[0];
        user = arguments[1];
        password = arguments[2];
        String[] ways = {"useServerPrepStmts=true", "useServerPrepStmts=true&cachePrepStmts=true"};
        for (String prepare : ways) {
            with(prepare, SqlDriver::prepared);
            with(prepare, SqlDriver::failures);
            with(prepare, SqlDriver::transactions);
            with(prepare, SqlDriver::rowsInParts);
            base += 100_000;
        }
        with("useServerPrepStmts=true", link -> batch(link, 10_000, 500));
        with("useServerPrepStmts=true&useBulkStmts=false", link -> batch(link, 11_000, 500));
        with("useServerPrepStmts=false&rewriteBatchedStatements=true", link -> batch(link, 12_000, 500));
        with("useServerPrepStmts=false&useBatchMultiSend=true&useBulkStmts=false", link -> batch(link, 13_000, 500));
        with("useServerPrepStmts=true&useBatchMultiSend=false&useBulkStmts=false", link -> batch(link, 14_000, 100));
        with("allowMultiQueries=true", SqlDriver::severalResults);
        with("useCompression=true&useServerPrepStmts=true", link -> batch(link, 15_000, 200));
        for (int n = 0; n < 20; n++) {
            int id = 6000 + n;
            with("useServerPrepStmts=true", link -> insert(link, id, "reconnected", null));
        }
    }
}
