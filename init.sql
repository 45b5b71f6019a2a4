-- Databases, tables, views, the ledger and the two users of Turnpike. Safe to run again: nothing is dropped.
-- The users are created locked; whoever deploys gives them a password and unlocks them:
-- ALTER USER turnpike_writer@'%' IDENTIFIED BY '...' ACCOUNT UNLOCK;

CREATE DATABASE IF NOT EXISTS turnpike CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS traffic_db CHARACTER SET utf8mb4;
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
  KEY by_reason (reason, id)
);

CREATE TABLE IF NOT EXISTS traffic_db.toll_passages (
  id             BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id       CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  vehicle_id     CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  transponder_id INT           NOT NULL,
  vehicle_type   VARCHAR(20)   NOT NULL,
  toll_plaza_id  SMALLINT      NOT NULL,
  lane           TINYINT       NOT NULL,
  amount         DECIMAL(10,2) NOT NULL,
  currency       CHAR(3)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  occurred_at    DATETIME(3)   NOT NULL,
  UNIQUE KEY event_id (event_id)
);

-- The passages with the column names, plaza names and whole seconds of the toll-mariadb pipeline.
CREATE OR REPLACE VIEW traffic_db.toll_data AS
SELECT id, vehicle_id,
       CONCAT(UPPER(LEFT(vehicle_type, 1)), SUBSTRING(vehicle_type, 2)) AS vehicle_type,
       CONCAT('TP', LPAD(toll_plaza_id - 3999, 3, '0')) AS toll_plaza_id,
       CAST(occurred_at AS DATETIME) AS timestamp
FROM traffic_db.toll_passages;

-- Exactly the four columns of the toll-ibm pipeline, in its order, without a key.
CREATE TABLE IF NOT EXISTS tolldata.livetolldata (
  timestamp     DATETIME,
  vehicle_id    INT,
  vehicle_type  CHAR(15),
  toll_plaza_id SMALLINT
);

CREATE USER IF NOT EXISTS turnpike_writer@'%' ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE ON turnpike.* TO turnpike_writer@'%';
GRANT SELECT, INSERT, UPDATE ON traffic_db.* TO turnpike_writer@'%';
GRANT SELECT, INSERT ON tolldata.* TO turnpike_writer@'%';

CREATE USER IF NOT EXISTS turnpike_reader@'%' ACCOUNT LOCK;
GRANT SELECT, SHOW VIEW ON turnpike.* TO turnpike_reader@'%';
GRANT SELECT, SHOW VIEW ON traffic_db.* TO turnpike_reader@'%';
GRANT SELECT, SHOW VIEW ON tolldata.* TO turnpike_reader@'%';
