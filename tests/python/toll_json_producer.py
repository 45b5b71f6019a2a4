"""Vehicles pass toll plazas: one JSON object a passage, with times from anywhere between 1970 and now.

Client: confluent-kafka, with the vehicle's id as the key. Times are local and name no zone.
"""

import argparse
import json
import random
import sys
import uuid
from datetime import datetime

from confluent_kafka import Producer

failed = []


def delivered(error, message):
    if error is not None:
        failed.append(error)
        print(f"Delivery failed for {message.key()}: {error}")
    else:
        print(f"Message delivered to {message.topic()} [{message.partition()}] at offset {message.offset()}")


def passage(chance, now):
    return {
        "vehicle_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "vehicle_type": chance.choice(["Car", "Truck", "Motorcycle", "Bus"]),
        "toll_plaza_id": f"TP{chance.randint(1, 10):03}",
        "timestamp": datetime.fromtimestamp(chance.randint(86_400, now)).isoformat(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap_server")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    now = int(datetime.now().timestamp())
    producer = Producer({"bootstrap.servers": args.bootstrap_server})
    for _ in range(args.count):
        record = passage(chance, now)
        producer.produce(args.topic, key=record["vehicle_id"], value=json.dumps(record), callback=delivered)
        producer.poll(0)
    producer.flush()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
