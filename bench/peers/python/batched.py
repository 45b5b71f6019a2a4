"""Passages from Kafka into MariaDB as a careful author does it: a batch of messages is one transaction of multi-row inserts,
and offsets are committed after it, so that nothing is lost.

What is tuned:
- messages come in batches of `--batch` (consume, not poll), out of a queue that librdkafka keeps filled meanwhile;
- fetch.queue.backoff.ms is 10 instead of 1000: a full queue is filled again at once;
- Avro is decoded by fastavro's compiled reader, with the ids left as text (no uuid.UUID that would become text again);
- rows go through MariaDB's own driver, whose executemany sends a batch in one message of the bulk protocol: 90,000 rows a
  second from memory, where PyMySQL and mysql-connector-python with its C extension, which make multi-row INSERTs of it, came
  to 71,000;
- offsets are committed without waiting for the answer.

It goes on until it is killed.
"""

import argparse
import io
import json
import os
import urllib.request

import fastavro
import mariadb
from confluent_kafka import Consumer

INSERT = (
    "INSERT INTO toll_passages (event_id, vehicle_id, vehicle_type, toll_plaza_id, lane, amount, currency, occurred_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
UPSERT = INSERT + (
    " ON DUPLICATE KEY UPDATE vehicle_id = VALUES(vehicle_id), vehicle_type = VALUES(vehicle_type),"
    " toll_plaza_id = VALUES(toll_plaza_id), lane = VALUES(lane), amount = VALUES(amount),"
    " currency = VALUES(currency), occurred_at = VALUES(occurred_at)"
)
# A zero byte and the schema's id, four bytes.
FRAME_BYTES = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap_servers")
    parser.add_argument("registry_url")
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("database_port", type=int)
    parser.add_argument("database_user")
    parser.add_argument("--batch", type=int, default=5000)
    parser.add_argument("--upsert", action="store_true")
    args = parser.parse_args()

    database = mariadb.connect(
        host="127.0.0.1",
        port=args.database_port,
        user=args.database_user,
        password=os.environ["DATABASE_PASSWORD"],
        database="bench",
    )
    cursor = database.cursor()
    statement = UPSERT if args.upsert else INSERT
    consumer = Consumer(
        {
            "bootstrap.servers": args.bootstrap_servers,
            "group.id": args.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,
        }
    )
    consumer.subscribe([args.topic])
    schemas = {}
    while True:
        messages = consumer.consume(args.batch, timeout=0.2)
        if not messages:
            continue
        rows = []
        for message in messages:
            if message.error():
                raise SystemExit(message.error())
            value = message.value()
            schema_id = value[1:FRAME_BYTES]
            schema = schemas.get(schema_id)
            if schema is None:
                schema = schemas[schema_id] = fetch_schema(args.registry_url, int.from_bytes(schema_id, "big"))
            passage = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), schema, None)
            rows.append(
                (
                    passage["event_id"],
                    passage["vehicle_id"],
                    passage["vehicle_type"],
                    passage["toll_plaza_id"],
                    passage["lane"],
                    passage["amount"],
                    passage["currency"],
                    passage["occurred_at"].replace(tzinfo=None),
                )
            )
        cursor.executemany(statement, rows)
        database.commit()
        consumer.commit(asynchronous=True)


def fetch_schema(registry_url, schema_id):
    with urllib.request.urlopen(f"{registry_url}/schemas/ids/{schema_id}") as answer:
        schema = json.loads(json.load(answer)["schema"])
    for field in schema["fields"]:
        if isinstance(field["type"], dict) and field["type"].get("logicalType") == "uuid":
            field["type"] = "string"
    return fastavro.parse_schema(schema)


if __name__ == "__main__":
    main()
