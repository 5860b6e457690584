"""Changes of accounts on the online server: sql-accounts.py HOST ADMIN PASSWORD mariadb|mysql

Each way gives user "app" another password, or does something else that touches accounts. After each the client "app" logs in
with the password that is valid on the online server by then, and writes a row. The last line is the number of rows.
"""

import sys

import pymysql

HOST, ADMIN, ADMIN_PASSWORD, KIND = sys.argv[1:]
FLAGS = pymysql.constants.CLIENT.MULTI_STATEMENTS
password, number, changes = "app-online", 0, 0


def connect(user, secret):
    return pymysql.connect(host=HOST, user=user, password=secret, database="sbtest", ssl_disabled=True, autocommit=True, client_flag=FLAGS)


def run(link, statement):
    cursor = link.cursor()
    cursor.execute(statement)
    while cursor.nextset():
        pass


def visit():
    global number
    with connect("app", password) as link:
        run(link, f"INSERT INTO said VALUES ({number})")
    number += 1


def change(*statements, user=ADMIN):
    """NEW in a statement is a new password of "app"."""
    global password
    secret = ADMIN_PASSWORD if user == ADMIN else password
    new = f"new-{number}"
    with connect(user, secret) as link:
        for statement in statements:
            run(link, statement.replace("NEW", f"'{new}'"))
        run(link, f"INSERT INTO admin VALUES ({number})")
    if any("NEW" in statement for statement in statements):
        password = new
    visit()


ALTER = "ALTER USER app IDENTIFIED BY NEW"
visit()
change(ALTER)
change("alter user if exists `app`@'%' identified by NEW")
change(f"/*!50000 {ALTER} */")
change(f"/* {'c' * 300} */ {ALTER}")
change(f"SELECT 1; {ALTER}")
change(f"{ALTER}; INSERT INTO admin VALUES (1000)")
change("PREPARE s FROM \"" + ALTER + "\"", "EXECUTE s")
if KIND == "mariadb":
    change("SET PASSWORD FOR app = PASSWORD(NEW)")
    change("SET PASSWORD = PASSWORD(NEW)", user="app")
    change("SET @a = 1, PASSWORD FOR 'app'@'%' = PASSWORD(NEW)")
    change("GRANT ALL ON *.* TO app@'%' IDENTIFIED BY NEW WITH GRANT OPTION")
    change("CREATE OR REPLACE USER app IDENTIFIED BY NEW", "GRANT ALL ON *.* TO app@'%'")
    change("EXECUTE IMMEDIATE \"" + ALTER + "\"")
    change("UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.authentication_string', PASSWORD(NEW)) WHERE User = 'app'", "FLUSH PRIVILEGES")
    change("CREATE ROLE lab", "GRANT lab TO app", "SET DEFAULT ROLE lab FOR app", "DROP ROLE lab")
else:
    change("SET PASSWORD FOR app = NEW")
    change("SET PASSWORD = NEW", user="app")
    change("ALTER USER USER() IDENTIFIED BY NEW", user="app")
    change("CREATE ROLE lab", "GRANT lab TO app", "ALTER USER app DEFAULT ROLE lab", "DROP ROLE lab")
change("DROP USER app", "CREATE USER app IDENTIFIED BY NEW", "GRANT ALL ON *.* TO app")
change("RENAME USER app TO other", "RENAME USER other TO app")
change("REVOKE INSERT ON *.* FROM app", "GRANT INSERT ON *.* TO app")
change("FLUSH PRIVILEGES")
change("FLUSH STATUS, PRIVILEGES" if KIND == "mariadb" else "FLUSH LOCAL PRIVILEGES")
with connect(ADMIN, ADMIN_PASSWORD) as link:
    link._execute_command(7, b"\1")  # COM_REFRESH of grants, as mysqladmin reload says it
    try:
        link._read_ok_packet()
    except pymysql.Error:
        pass  # MySQL 9 knows it no more
visit()
print(number)
