"""Clients of PostgreSQL: postgres-clients.py cancels|drivers HOST"""

import asyncio
import random
import sys
import threading
import time

import asyncpg
import psycopg

WHAT, HOST = sys.argv[1:3]
LOGIN = {"host": HOST, "user": "app", "password": "app-online"}
CONNECTIONS = 6


def main():
    if WHAT == "cancels":
        in_threads(cancels)
    else:
        in_threads(psycopg_session)
        asyncio.run(asyncpg_sessions())


def in_threads(session):
    failures = []

    def run(number):
        try:
            session(number)
        except Exception as error:
            failures.append(f"{session.__name__} {number}: {error!r}")
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(failures[0])


def connected(**options):
    return psycopg.connect(dbname="postgres", autocommit=True, **LOGIN, **options)


# Statements of 1.5 s, of which some are cancelled after 0.6 s. Each leaves a row if it is not, and is followed by one that
# always does.
def cancels(number):
    chance = random.Random(number)
    with connected() as connection:
        # On the test server the first statement may have to wait.
        connection.execute("SELECT count(*) FROM gate")
        for step in range(4):
            cancelled = chance.random() < 0.5
            timer = threading.Timer(0.6, connection.cancel_safe)
            if cancelled:
                timer.start()
            try:
                connection.execute(f"INSERT INTO ended SELECT {number}, {step} FROM pg_sleep(1.5)")
                assert not cancelled
            except psycopg.errors.QueryCanceled:
                assert cancelled
            timer.join() if cancelled else None
            connection.execute(f"INSERT INTO said VALUES ({number}, {step}, {cancelled})")
            time.sleep(chance.random() / 2)


def psycopg_session(number):
    with connected(max_protocol_version="latest") as connection:
        connection.prepare_threshold = 2
        for step in range(30):
            connection.execute("INSERT INTO work VALUES (%s, %s, %s)", (number, step, "execute"))
        pipeline(connection, number)
        copies(connection, number)
        with connection.transaction():
            cursor = connection.cursor(name="c")
            cursor.execute("SELECT n FROM generate_series(1, 5000) n")
            assert sum(row[0] for row in cursor.fetchmany(3000)) > 0
            cursor.close()
            connection.execute("INSERT INTO work VALUES (%s, 100, 'cursor')", (number,))
        listens(connection, number)


def pipeline(connection, number):
    try:
        with connection.pipeline() as pipeline:
            for step in range(50):
                connection.execute("INSERT INTO work VALUES (%s, %s, %s)", (number, step, "pipeline"))
                # Longer than what intercept sends of a segment.
                connection.execute("SELECT repeat('x', 5000), n FROM generate_series(1, 20) n")
                if step % 10 == 0:
                    pipeline.sync()
            connection.execute("SELECT 1 / 0")
            connection.execute("INSERT INTO work VALUES (%s, 0, 'skipped')", (number,))
            pipeline.sync()
    except psycopg.errors.DivisionByZero:
        pass
    connection.execute("INSERT INTO work VALUES (%s, 0, 'after the pipeline')", (number,))


def copies(connection, number):
    cursor = connection.cursor()
    with cursor.copy("COPY work FROM STDIN") as copy:
        for step in range(20_000):
            copy.write_row((number, step, "copied"))
    with cursor.copy("COPY (SELECT repeat('y', 100) FROM generate_series(1, 50000)) TO STDOUT") as copy:
        assert sum(len(block) for block in copy) == 50_000 * 101
    try:
        with cursor.copy("COPY work FROM STDIN") as copy:
            copy.write(b"no number\n")
    except psycopg.errors.InvalidTextRepresentation:
        pass
    connection.execute("INSERT INTO work VALUES (%s, 0, 'after the copies')", (number,))


def listens(connection, number):
    connection.execute(f"LISTEN channel{number}")
    connection.execute(f"NOTIFY channel{number}, 'x'")
    assert next(connection.notifies(timeout=5)).payload == "x"
    connection.execute("INSERT INTO work VALUES (%s, 0, 'notified')", (number,))


async def asyncpg_sessions():
    await asyncio.gather(*(asyncpg_session(10 + number) for number in range(CONNECTIONS)))


async def asyncpg_session(number):
    connection = await asyncpg.connect(database="postgres", **LOGIN)
    statement = await connection.prepare("INSERT INTO work VALUES ($1, $2, 'asyncpg')")
    for step in range(100):
        await statement.fetch(number, step)
    await connection.executemany("INSERT INTO work VALUES ($1, $2, 'many')", [(number, step) for step in range(500)])
    assert len(await connection.fetch("SELECT repeat('z', $1) FROM generate_series(1, 3000)", 50)) == 3000
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO work VALUES ($1, 0, 'rolled back')", number)
            await connection.execute("SELECT 1 / 0")
    except asyncpg.DivisionByZeroError:
        pass
    async with connection.transaction():
        rows = [row async for row in connection.cursor("SELECT n FROM generate_series(1, 1000) n", prefetch=60)]
        assert len(rows) == 1000
        await connection.execute("INSERT INTO work VALUES ($1, 0, 'cursor')", number)
    rows = [(number, step, "copied") for step in range(2000)]
    await connection.copy_records_to_table("work", records=rows)
    await connection.execute("INSERT INTO work VALUES ($1, 0, 'end')", number)
    await connection.close()


main()
