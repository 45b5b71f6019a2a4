-- Databases, tables, views, the ledger and the two users of Turnpike. Safe to run again, also on an older database:
-- nothing is dropped, and what was added since is added (the ALTERs; on large tables an index takes its time).
-- The users are created locked; whoever deploys gives them a password and unlocks them:
-- ALTER USER turnpike_writer@'%' IDENTIFIED BY '...' ACCOUNT UNLOCK;

CREATE DATABASE IF NOT EXISTS turnpike CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS traffic_db CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS weather_db CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS tolldata CHARACTER SET utf8mb4;

-- What each connector has done with each partition, committed together with the rows themselves:
-- read_count = stored_count + dead_count + skipped_count, and next_offset is where to go on.
-- epoch names the present owner: a writer that was replaced finds another epoch and can commit nothing.
CREATE TABLE IF NOT EXISTS turnpike.ledger (
  connector        VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  topic            VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  partition_number INT          NOT NULL,
  epoch            BIGINT       NOT NULL DEFAULT 0,
  next_offset      BIGINT       NOT NULL DEFAULT 0,
  read_count       BIGINT       NOT NULL DEFAULT 0,
  stored_count     BIGINT       NOT NULL DEFAULT 0,
  dead_count       BIGINT       NOT NULL DEFAULT 0,
  skipped_count    BIGINT       NOT NULL DEFAULT 0,
  updated_at       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (connector, topic, partition_number)
);

-- Every record that was set aside, with its original bytes. A record may fail in more than one connector.
CREATE TABLE IF NOT EXISTS turnpike.dead_letters (
  id                 BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  topic              VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  partition_number   INT          NOT NULL,
  record_offset      BIGINT       NOT NULL,
  connector          VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stage              VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason             VARCHAR(40)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  rule               VARCHAR(200) NULL,
  detail             LONGTEXT     NULL,
  record_key         LONGBLOB     NULL,
  record_value       LONGBLOB     NULL,
  headers            LONGTEXT     NULL,
  record_timestamp   DATETIME(3)  NULL,
  failed_at          DATETIME(3)  NOT NULL,
  attempt            INT          NOT NULL,
  dlq_topic          VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  dlq_partition      INT          NOT NULL,
  dlq_offset         BIGINT       NOT NULL,
  UNIQUE KEY coordinates (topic, partition_number, record_offset, connector),
  KEY by_reason (reason, id),
  KEY by_time (failed_at, reason, topic, connector)
);
ALTER TABLE turnpike.dead_letters ADD KEY IF NOT EXISTS by_time (failed_at, reason, topic, connector);

-- Indexes serve `turnpike query` (services/turnpike/src/query) and the views below. All but by_vehicle and by_transponder grow at
-- few places, since events come in the order of their time, so they cost an insert little.
-- flags: the rules that a stored event failed, as CODE:rule,...; dialect: what it was written in, NULL for our Avro.
CREATE TABLE IF NOT EXISTS traffic_db.toll_passages (
  id             BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id       CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  vehicle_id     CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  transponder_id INT           NULL,
  vehicle_type   VARCHAR(20)   NOT NULL,
  toll_plaza_id  SMALLINT      NOT NULL,
  lane           TINYINT       NULL,
  amount         DECIMAL(10,2) NULL,
  currency       CHAR(3)       CHARACTER SET ascii COLLATE ascii_bin NULL,
  occurred_at    DATETIME(3)   NOT NULL,
  flags          VARCHAR(500)  NULL,
  dialect        VARCHAR(20)   NULL,
  UNIQUE KEY event_id (event_id),
  KEY by_time (occurred_at, toll_plaza_id, vehicle_type),
  KEY by_plaza (toll_plaza_id, occurred_at),
  KEY by_type (vehicle_type, occurred_at),
  KEY by_vehicle (vehicle_id(8)),
  KEY by_transponder (transponder_id)
);
ALTER TABLE traffic_db.toll_passages
  MODIFY transponder_id INT           NULL,
  MODIFY lane           TINYINT       NULL,
  MODIFY amount         DECIMAL(10,2) NULL,
  MODIFY currency       CHAR(3)       CHARACTER SET ascii COLLATE ascii_bin NULL,
  ADD COLUMN IF NOT EXISTS flags   VARCHAR(500) NULL,
  ADD COLUMN IF NOT EXISTS dialect VARCHAR(20)  NULL,
  ADD KEY IF NOT EXISTS by_time (occurred_at, toll_plaza_id, vehicle_type),
  ADD KEY IF NOT EXISTS by_plaza (toll_plaza_id, occurred_at),
  ADD KEY IF NOT EXISTS by_type (vehicle_type, occurred_at),
  ADD KEY IF NOT EXISTS by_vehicle (vehicle_id(8)),
  ADD KEY IF NOT EXISTS by_transponder (transponder_id);

-- Jams, accidents and cameras; what a kind of event does not have is NULL.
CREATE TABLE IF NOT EXISTS traffic_db.traffic_events (
  id                BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id          CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_type        VARCHAR(20)  NOT NULL,
  city              VARCHAR(100) NOT NULL,
  road              VARCHAR(100) NOT NULL,
  latitude          DOUBLE       NOT NULL,
  longitude         DOUBLE       NOT NULL,
  occurred_at       DATETIME(3)  NOT NULL,
  severity          VARCHAR(20)  NULL,
  avg_speed_kmh     INT          NULL,
  length_m          INT          NULL,
  lanes_blocked     INT          NULL,
  injuries_reported BOOLEAN      NULL,
  speed_limit_kmh   INT          NULL,
  direction         VARCHAR(20)  NULL,
  active            BOOLEAN      NULL,
  flags             VARCHAR(500) NULL,
  dialect           VARCHAR(20)  NULL,
  UNIQUE KEY event_id (event_id),
  KEY by_time (occurred_at, flags),
  KEY by_type (event_type, occurred_at),
  KEY by_road (road, occurred_at)
);

-- Every reading of every sensor.
CREATE TABLE IF NOT EXISTS weather_db.readings (
  id                    BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id              CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  sensor_id             INT          NOT NULL,
  city                  VARCHAR(100) NOT NULL,
  temperature_c         DOUBLE       NOT NULL,
  humidity_pct          DOUBLE       NULL,
  wind_speed_mps        DOUBLE       NULL,
  surface_temperature_c DOUBLE       NULL,
  observed_at           DATETIME(3)  NOT NULL,
  flags                 VARCHAR(500) NULL,
  dialect               VARCHAR(20)  NULL,
  UNIQUE KEY event_id (event_id),
  KEY by_time (observed_at, flags),
  KEY by_sensor (sensor_id, observed_at)
);

-- The readings above 30 degrees, with exactly the columns of the weather-alerts pipeline.
CREATE TABLE IF NOT EXISTS weather_db.warning_temperatures (
  id          INT AUTO_INCREMENT PRIMARY KEY,
  sensor_id   INT,
  temperature FLOAT,
  timestamp   DATETIME,
  KEY by_time (timestamp)
);

-- Exactly the four columns of the toll-ibm pipeline, in its order, without a primary or unique key: what comes twice stands there twice.
CREATE TABLE IF NOT EXISTS tolldata.livetolldata (
  timestamp     DATETIME,
  vehicle_id    INT,
  vehicle_type  CHAR(15),
  toll_plaza_id SMALLINT,
  KEY by_time (timestamp, vehicle_id, toll_plaza_id)
);
ALTER TABLE tolldata.livetolldata
  ADD KEY IF NOT EXISTS by_time (timestamp, vehicle_id, toll_plaza_id);

-- The passages with the column names, plaza names and whole seconds of the toll-mariadb pipeline.
CREATE OR REPLACE VIEW traffic_db.toll_data AS
SELECT id, vehicle_id,
       CONCAT(UPPER(LEFT(vehicle_type, 1)), SUBSTRING(vehicle_type, 2)) AS vehicle_type,
       CONCAT('TP', LPAD(toll_plaza_id - 3999, 3, '0')) AS toll_plaza_id,
       CAST(occurred_at AS DATETIME) AS timestamp
FROM traffic_db.toll_passages;

-- The time of the newest event, as `turnpike query` finds it (Table::newest in services/turnpike/src/query/catalogue.rs, which a
-- test compares): the newest that is not flagged IMPLAUSIBLE_TIME among the newest 1,000 rows by time and the newest 1,000 by order
-- of storing; if all of these are flagged, the newest of those stored last. One row without a FROM of its own, so that MariaDB knows
-- the time before it plans the views below, and reads their hour from by_time instead of a whole index.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.newest_passage AS
SELECT (
SELECT COALESCE(MAX(plausible), MAX(stored)) AS newest
FROM ((SELECT IF(flags LIKE '%IMPLAUSIBLE_TIME%', NULL, occurred_at) AS plausible, NULL AS stored
       FROM traffic_db.toll_passages ORDER BY occurred_at DESC LIMIT 1000)
      UNION ALL
      (SELECT IF(flags LIKE '%IMPLAUSIBLE_TIME%', NULL, occurred_at), occurred_at
       FROM traffic_db.toll_passages ORDER BY id DESC LIMIT 1000)) AS newest_rows
) AS newest;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.newest_traffic_event AS
SELECT (
SELECT COALESCE(MAX(plausible), MAX(stored)) AS newest
FROM ((SELECT IF(flags LIKE '%IMPLAUSIBLE_TIME%', NULL, occurred_at) AS plausible, NULL AS stored
       FROM traffic_db.traffic_events ORDER BY occurred_at DESC LIMIT 1000)
      UNION ALL
      (SELECT IF(flags LIKE '%IMPLAUSIBLE_TIME%', NULL, occurred_at), occurred_at
       FROM traffic_db.traffic_events ORDER BY id DESC LIMIT 1000)) AS newest_rows
) AS newest;

-- The answers of `turnpike query` as views. Those of this group look at the last hour up to the newest event, by the events'
-- own times, so they answer fast however much is stored; for other times: turnpike query NAME --from TIME --to TIME, or --all.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.vehicles_per_plaza AS
SELECT toll_plaza_id, COUNT(*) AS vehicles
FROM traffic_db.newest_passage JOIN traffic_db.toll_passages
  ON occurred_at > newest - INTERVAL 1 HOUR AND occurred_at <= newest
GROUP BY toll_plaza_id;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.vehicles_per_plaza_minute AS
SELECT toll_plaza_id, CAST(occurred_at AS DATETIME) - INTERVAL SECOND(occurred_at) SECOND AS minute,
       COUNT(*) AS vehicles
FROM traffic_db.newest_passage JOIN traffic_db.toll_passages
  ON occurred_at > newest - INTERVAL 1 HOUR AND occurred_at <= newest
GROUP BY toll_plaza_id, minute;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.type_mix AS
SELECT vehicle_type, COUNT(*) AS vehicles, ROUND(100 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent
FROM traffic_db.newest_passage JOIN traffic_db.toll_passages
  ON occurred_at > newest - INTERVAL 1 HOUR AND occurred_at <= newest
GROUP BY vehicle_type;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.truck_share AS
SELECT toll_plaza_id, COUNT(*) AS vehicles, SUM(vehicle_type = 'truck') AS trucks,
       ROUND(100 * AVG(vehicle_type = 'truck'), 1) AS percent
FROM traffic_db.newest_passage JOIN traffic_db.toll_passages
  ON occurred_at > newest - INTERVAL 1 HOUR AND occurred_at <= newest
GROUP BY toll_plaza_id;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.jams_by_road AS
SELECT road, COUNT(*) AS jams, SUM(severity = 'HIGH') AS high, SUM(severity = 'MEDIUM') AS medium,
       SUM(severity = 'LOW') AS low, ROUND(AVG(avg_speed_kmh), 1) AS mean_speed_kmh,
       MAX(length_m) AS longest_m, MAX(occurred_at) AS last_event
FROM traffic_db.newest_traffic_event JOIN traffic_db.traffic_events
  ON occurred_at > newest - INTERVAL 1 HOUR AND occurred_at <= newest
WHERE event_type = 'TRAFFIC_JAM'
GROUP BY road;

-- Views over everything that is stored, whatever its time, as `turnpike query span|duplicates|alerts --all`; their times on the
-- command line are others where nobody says. The first two read a whole index: seconds on millions of rows.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW traffic_db.stream_span AS
SELECT 'toll' AS stream, COUNT(*) AS events, MIN(occurred_at) AS first_event, MAX(occurred_at) AS last_event,
       ROUND(TIMESTAMPDIFF(MICROSECOND, MIN(occurred_at), MAX(occurred_at)) / 1000000, 3) AS seconds
FROM traffic_db.toll_passages
UNION ALL
SELECT 'traffic', COUNT(*), MIN(occurred_at), MAX(occurred_at),
       ROUND(TIMESTAMPDIFF(MICROSECOND, MIN(occurred_at), MAX(occurred_at)) / 1000000, 3)
FROM traffic_db.traffic_events
UNION ALL
SELECT 'weather', COUNT(*), MIN(observed_at), MAX(observed_at),
       ROUND(TIMESTAMPDIFF(MICROSECOND, MIN(observed_at), MAX(observed_at)) / 1000000, 3)
FROM weather_db.readings;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW tolldata.duplicate_groups AS
SELECT timestamp, vehicle_id, vehicle_type, toll_plaza_id, COUNT(*) AS times
FROM tolldata.livetolldata
JOIN (SELECT timestamp, vehicle_id, toll_plaza_id FROM tolldata.livetolldata
      GROUP BY timestamp, vehicle_id, toll_plaza_id HAVING COUNT(*) > 1) AS repeated
  USING (timestamp, vehicle_id, toll_plaza_id)
GROUP BY timestamp, vehicle_id, vehicle_type, toll_plaza_id
HAVING times > 1;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW weather_db.alerts AS
SELECT id, timestamp, sensor_id, temperature,
       (SELECT city FROM weather_db.readings WHERE readings.sensor_id = warning.sensor_id
        ORDER BY observed_at DESC LIMIT 1) AS city
FROM weather_db.warning_temperatures AS warning;

CREATE USER IF NOT EXISTS turnpike_writer@'%' ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE ON turnpike.* TO turnpike_writer@'%';
GRANT SELECT, INSERT, UPDATE ON traffic_db.* TO turnpike_writer@'%';
GRANT SELECT, INSERT, UPDATE ON weather_db.* TO turnpike_writer@'%';
GRANT SELECT, INSERT ON tolldata.* TO turnpike_writer@'%';

CREATE USER IF NOT EXISTS turnpike_reader@'%' ACCOUNT LOCK;
GRANT SELECT, SHOW VIEW ON turnpike.* TO turnpike_reader@'%';
GRANT SELECT, SHOW VIEW ON traffic_db.* TO turnpike_reader@'%';
GRANT SELECT, SHOW VIEW ON weather_db.* TO turnpike_reader@'%';
GRANT SELECT, SHOW VIEW ON tolldata.* TO turnpike_reader@'%';
