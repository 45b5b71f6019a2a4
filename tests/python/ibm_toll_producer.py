"""Vehicles pass toll plazas: one line of text a passage, as the generator of the IBM lab sends it.

Client: kafka-python, without a key. Each value is `<ctime>,<vehicle id>,<vehicle type>,<plaza id>`, in local time.
"""

import argparse
import random
import time

from kafka import KafkaProducer

VEHICLE_TYPES = ["car"] * 11 + ["truck"] * 4 + ["van"] * 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap_server")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clock", type=float, help="Unix time of the first passage; the others follow by seconds")
    return parser.parse_args()


def main():
    args = arguments()
    chance = random.Random(args.seed)
    producer = KafkaProducer(bootstrap_servers=args.bootstrap_server)
    for number in range(args.count):
        moment = time.ctime() if args.clock is None else time.ctime(args.clock + number)
        vehicle_id = chance.randint(10_000, 10_000_000)
        vehicle_type = chance.choice(VEHICLE_TYPES)
        plaza_id = chance.randint(4000, 4010)
        producer.send(args.topic, f"{moment},{vehicle_id},{vehicle_type},{plaza_id}".encode())
        print(f"A {vehicle_type} has passed by the toll plaza {plaza_id} at {moment}.")
    producer.flush()
    producer.close()


if __name__ == "__main__":
    main()
