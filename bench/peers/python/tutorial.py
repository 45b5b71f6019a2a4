"""Passages from Kafka into MariaDB as tutorials do it: a row, and a commit, for each message.

Clients: confluent-kafka with its defaults (offsets are committed by themselves every 5 s), fastavro, and
mysql-connector-python with its C extension. Nothing is tuned. It goes on until it is killed.
"""

import argparse
import io
import json
import os
import urllib.request

import fastavro
import mysql.connector
from confluent_kafka import Consumer

INSERT = """
INSERT INTO toll_passages (event_id, vehicle_id, vehicle_type, toll_plaza_id, lane, amount, currency, occurred_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap_servers")
    parser.add_argument("registry_url")
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("database_port", type=int)
    parser.add_argument("database_user")
    args = parser.parse_args()

    consumer = Consumer(
        {"bootstrap.servers": args.bootstrap_servers, "group.id": args.group, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([args.topic])
    database = mysql.connector.connect(
        host="127.0.0.1",
        port=args.database_port,
        user=args.database_user,
        password=os.environ["DATABASE_PASSWORD"],
        database="bench",
    )
    cursor = database.cursor()
    schemas = {}
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise SystemExit(message.error())
        value = message.value()
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id not in schemas:
            with urllib.request.urlopen(f"{args.registry_url}/schemas/ids/{schema_id}") as answer:
                schemas[schema_id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        passage = fastavro.schemaless_reader(io.BytesIO(value[5:]), schemas[schema_id], None)
        cursor.execute(
            INSERT,
            (
                str(passage["event_id"]),
                str(passage["vehicle_id"]),
                passage["vehicle_type"],
                passage["toll_plaza_id"],
                passage["lane"],
                passage["amount"],
                passage["currency"],
                passage["occurred_at"].replace(tzinfo=None),
            ),
        )
        database.commit()


if __name__ == "__main__":
    main()
