"""Jams, accidents and speed cameras of French cities: one JSON object an event, in three shapes.

Client: confluent-kafka, with the event's type as the key. City, road and place are drawn apart from each other, so most
events lie in Paris whatever their city says.
"""

import argparse
import json
import random
import sys
import uuid
from datetime import datetime, timezone

from confluent_kafka import Producer

CITIES = ["Paris", "Lyon", "Marseille", "Lille", "Toulouse"]
ROADS = ["A1", "A6", "A7", "A10", "A13", "Peripherique", "N118"]
KINDS = {
    "TRAFFIC_JAM": lambda chance: {
        "severity": chance.choice(["LOW", "MEDIUM", "HIGH"]),
        "avg_speed_kmh": chance.randint(5, 35),
        "length_m": chance.randint(200, 5000),
    },
    "ACCIDENT": lambda chance: {
        "severity": chance.choice(["MINOR", "MAJOR"]),
        "lanes_blocked": chance.randint(1, 3),
        "injuries_reported": chance.choice([True, False]),
    },
    "SPEED_CAMERA": lambda chance: {
        "speed_limit_kmh": chance.choice([30, 50, 70, 90, 110, 130]),
        "direction": chance.choice(["N", "S", "E", "W"]),
        "active": True,
    },
}

failed = []


def delivered(error, message):
    if error is not None:
        failed.append(error)
        print(f"[DELIVERY ERROR] {error}")
    else:
        place = f"topic={message.topic()} partition={message.partition()} offset={message.offset()}"
        print(f"[DELIVERED] {place}")


def event(chance):
    event_type = chance.choice(list(KINDS))
    return {
        "event_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "event_type": event_type,
        "ts_utc": datetime.now(timezone.utc).isoformat(),
        "city": chance.choice(CITIES),
        "road": chance.choice(ROADS),
        "lat": round(chance.uniform(48.80, 48.90), 6),
        "lon": round(chance.uniform(2.25, 2.42), 6),
        **KINDS[event_type](chance),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap_server")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    producer = Producer({"bootstrap.servers": args.bootstrap_server})
    for _ in range(args.count):
        record = event(chance)
        print(f"[SENT] {record}")
        producer.produce(args.topic, key=record["event_type"], value=json.dumps(record), callback=delivered)
        producer.poll(0)
    producer.flush()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
