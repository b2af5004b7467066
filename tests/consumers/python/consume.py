"""Reads the events of Lastmile from Kafka and says as JSON whether something is missing."""

import argparse
import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from lastmile.v1.events_pb2 import EventRecord
from ledger import TYPES, Ledger

# The topic of control totals comes first: its ends are asked first, so that all a total accounts for is before the other ends.
TOPICS = ["acs.session.v1", "acs.inform.v1", "acs.task.v1", "acs.device.v1", "acs.audit.v1"]


def main() -> int:
    options = arguments()
    ledger = Ledger()
    try:
        for message in read(options):
            take(ledger, message)
    except (KafkaException, TimeoutError) as error:
        print(f"the events could not be read: {error}", file=sys.stderr)
        return 2
    summary = ledger.summary()
    if options.timelines:
        summary["timelines"] = ledger.timelines()
    json.dump(summary, sys.stdout, indent=2, sort_keys=True)
    print()
    return 0 if summary["complete"] else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True, help="host:port, several separated by commas")
    parser.add_argument("--prefix", default="", help="what stands before the name of each topic")
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help="of the Kafka client")
    parser.add_argument("--patience", type=float, default=30, metavar="SECONDS", help="longest wait for the next message")
    parser.add_argument("--timelines", action="store_true", help="adds the ids of each device's records, in order")
    return parser.parse_args()


def read(options: argparse.Namespace):
    """Every message that is in the topics now, once."""
    consumer = Consumer(
        {
            **dict(setting.split("=", 1) for setting in options.property),
            "bootstrap.servers": options.brokers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        ends = unread(consumer, options)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in ends])
        deadline = time.monotonic() + options.patience
        while ends:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing came for {options.patience} seconds; missing: {sorted(ends)}")
            for message in consumer.consume(1000, timeout=1):
                if message.error():
                    raise KafkaException(message.error())
                deadline = time.monotonic() + options.patience
                place = (message.topic(), message.partition())
                if place not in ends:
                    continue  # It came after the reading began.
                if message.offset() < ends[place]:
                    yield message
                if message.offset() + 1 >= ends[place]:
                    del ends[place]
    finally:
        consumer.close()


def unread(consumer: Consumer, options: argparse.Namespace) -> dict[tuple[str, int], int]:
    """The ends of the partitions that are not empty."""
    known = consumer.list_topics(timeout=options.patience).topics
    ends = {}
    for topic in (options.prefix + name for name in TOPICS):
        if topic not in known:
            raise KafkaException(f"there is no topic {topic}")
        for partition in sorted(known[topic].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=options.patience)
            if low < high:
                ends[topic, partition] = high
    return ends


def take(ledger: Ledger, message: Message) -> None:
    headers = {name: (value or b"").decode() for name, value in message.headers() or []}
    if headers.get("ce_type") not in TYPES and "ce_type" in headers:
        ledger.skip()
        return
    try:
        record = decode(headers, message.value())
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, ValueError) as error:
        ledger.unreadable(f"{message.topic()}[{message.partition()}]@{message.offset()}")
        print(f"{message.topic()}[{message.partition()}]@{message.offset()}: {error}", file=sys.stderr)
        return
    ledger.add(headers["ce_type"], record)


def decode(headers: dict[str, str], value: bytes | None) -> EventRecord:
    if "ce_type" not in headers or not value:
        raise ValueError("it is no event of Lastmile")
    match headers.get("content-type"):
        case "application/protobuf":
            record = EventRecord.FromString(value)
        case "application/json":
            record = json_format.Parse(value, EventRecord(), ignore_unknown_fields=True)
        case other:
            raise ValueError(f"content-type {other} is not known")
    if record.event_id.hex() != headers.get("ce_id"):
        raise ValueError("its ce_id is not its event_id")
    return record


if __name__ == "__main__":
    sys.exit(main())
