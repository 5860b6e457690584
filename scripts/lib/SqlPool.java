// A pool of MariaDB's Java driver: java -cp DRIVER SqlPool.java HOST USER PASSWORD SECONDS TABLE
//
// Its connections prepare statements at their start and execute them until the end. Each inserts rows of its own into
// TABLE, whose values depend on the row's id alone.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Timestamp;

public class SqlPool {
    static final int CONNECTIONS = 5;

    static void work(Connection link, String table, int first, long end) throws Exception {
        String columns = " (id, what, amount, at_time, body, big) VALUES (?, ?, ?, ?, ?, ?)";
        try (PreparedStatement put = link.prepareStatement("INSERT INTO " + table + columns);
                PreparedStatement got = link.prepareStatement("SELECT what FROM " + table + " WHERE id = ?")) {
            for (int id = first; System.currentTimeMillis() < end; id += CONNECTIONS) {
                byte[] body = new byte[id % 50];
                for (int at = 0; at < body.length; at++) body[at] = (byte) (id * at);
                put.setInt(1, id);
                put.setString(2, id % 7 == 0 ? "it's \\ \u00fc" : "row " + id);
                put.setDouble(3, id / 4.0 + 0.5);
                put.setTimestamp(4, Timestamp.valueOf("2026-01-01 00:00:00.5"));
                put.setBytes(5, body);
                if (id % 11 == 0) put.setNull(6, java.sql.Types.BIGINT);
                else put.setLong(6, id * 10_000_000_007L);
                put.executeUpdate();
                got.setInt(1, id);
                got.executeQuery().next();
                Thread.sleep(10);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        String options = "?useSSL=false&allowPublicKeyRetrieval=true&useServerPrepStmts=true";
        String url = "jdbc:mariadb://" + arguments[0] + "/sbtest" + options;
        long end = System.currentTimeMillis() + Long.parseLong(arguments[3]) * 1000;
        Thread[] threads = new Thread[CONNECTIONS];
        boolean[] failed = new boolean[1];
        for (int index = 0; index < CONNECTIONS; index++) {
            Connection link = DriverManager.getConnection(url, arguments[1], arguments[2]);
            int first = index + 1;
            threads[index] = new Thread(() -> {
                try {
                    work(link, arguments[4], first, end);
                } catch (Exception failure) {
                    failure.printStackTrace();
                    failed[0] = true;
                }
            });
            threads[index].start();
        }
        for (Thread thread : threads) thread.join();
        System.exit(failed[0] ? 1 : 0);
    }
}
