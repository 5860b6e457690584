-- A small database in the manner of Chinook: artists, albums, tracks and what was sold of them.
CREATE TABLE artist (artist_id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE album (album_id int PRIMARY KEY, title text NOT NULL, artist_id int NOT NULL REFERENCES artist);
CREATE TABLE track (
  track_id int PRIMARY KEY, name text NOT NULL, album_id int NOT NULL REFERENCES album,
  milliseconds int NOT NULL, unit_price numeric(10, 2) NOT NULL
);
CREATE TABLE invoice_line (
  invoice_line_id int PRIMARY KEY, track_id int NOT NULL REFERENCES track, quantity int NOT NULL, sold date NOT NULL
);
INSERT INTO artist SELECT i, 'Artist ' || i FROM generate_series(1, 50) i;
INSERT INTO album SELECT i, 'Album ' || i, 1 + i % 50 FROM generate_series(1, 300) i;
INSERT INTO track SELECT i, 'Track ' || i, 1 + i % 300, 100000 + i * 37 % 200000, 0.99 FROM generate_series(1, 3500) i;
INSERT INTO invoice_line SELECT i, 1 + i * 13 % 3500, 1 + i % 3, DATE '2026-01-01' + i % 300 FROM generate_series(1, 20000) i;
