"""A temperature sensor in Paris: one JSON object a reading.

Client: kafka-python, with the key `sensor_1`. The field of the temperature has an accent, which the serialiser escapes;
`--field temperature` writes it without. Times are local and name no zone.
"""

import argparse
import json
import random
from datetime import datetime

from kafka import KafkaProducer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap_server")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--field", default="température")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    producer = KafkaProducer(
        bootstrap_servers=[args.bootstrap_server],
        key_serializer=str.encode,
        value_serializer=lambda reading: json.dumps(reading).encode("utf-8"),
    )
    for _ in range(args.count):
        reading = {
            "sensor_id": 1,
            args.field: round(chance.uniform(5.0, 35.0), 2),
            "city": "Paris",
            "timestamp": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        }
        producer.send(args.topic, key="sensor_1", value=reading)
        print(f"Envoyé ! {reading}")
    producer.flush()
    producer.close()


if __name__ == "__main__":
    main()
