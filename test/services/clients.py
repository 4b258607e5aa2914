"""Confluent's Python client, for tests. One JSON value on standard output.

read BOOTSTRAP REGISTRY TOPIC COUNT   COUNT committed records of a topic: [{"key", "value"}], decoded by AvroDeserializer
registry URL [USER PASSWORD]          what SchemaRegistryClient and AvroSerializer make of a registry
"""

import datetime
import decimal
import json
import sys
import uuid

from confluent_kafka import DeserializingConsumer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext


def plain(value):
    if isinstance(value, (decimal.Decimal, uuid.UUID, datetime.date, datetime.time)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


def read(bootstrap, registry, topic, count):
    client = SchemaRegistryClient({"url": registry})
    consumer = DeserializingConsumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "clients-" + uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
            "key.deserializer": AvroDeserializer(client),
            "value.deserializer": AvroDeserializer(client),
        }
    )
    consumer.subscribe([topic])
    rows = []
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=40)
    while len(rows) < int(count) and datetime.datetime.now() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            raise SystemExit(str(message.error()))
        rows.append({"key": message.key(), "value": message.value()})
    consumer.close()
    return rows


def code_of(work):
    try:
        return {"ok": work()}
    except SchemaRegistryError as e:
        return {"status": e.http_status_code, "code": e.error_code}


def registry(url, user=None, password=None):
    config = {"url": url} if user is None else {"url": url, "basic.auth.user.info": f"{user}:{password}"}
    client = SchemaRegistryClient(config)
    row = lambda *fields: Schema(
        json.dumps({"type": "record", "name": "Row", "fields": [{"name": f, "type": "int"} for f in fields]}), "AVRO"
    )
    subject = "python-" + uuid.uuid4().hex
    out = {"register": client.register_schema(subject, row("a")) == client.register_schema(subject, row("a"))}
    out["lookup"] = client.lookup_schema(subject, row("a")).version
    latest = client.get_latest_version(subject)
    out["latest"] = [latest.version, latest.schema.schema_str == client.get_schema(latest.schema_id).schema_str]
    out["versions"] = client.get_versions(subject)
    out["listed"] = subject in client.get_subjects()
    out["incompatible"] = code_of(lambda: client.register_schema(subject, row("a", "b")))
    out["compatibility"] = [client.test_compatibility(subject, row("a")), client.test_compatibility(subject, row("a", "b"))]
    client.set_compatibility(subject, "NONE")
    out["level"] = client.get_compatibility(subject)
    out["allowed"] = code_of(lambda: client.register_schema(subject, row("a", "b")) > 0)
    out["unknownSubject"] = code_of(lambda: client.get_latest_version(subject + "-no").version)
    out["unknownId"] = code_of(lambda: SchemaRegistryClient(config).get_schema(2000000000).schema_str)
    out["invalid"] = code_of(lambda: client.register_schema(subject, Schema("{", "AVRO")))
    topic = subject + "-topic"
    serializer = AvroSerializer(client, row("a").schema_str)
    data = serializer({"a": 7}, SerializationContext(topic, MessageField.VALUE))
    out["roundTrip"] = AvroDeserializer(client)(data, SerializationContext(topic, MessageField.VALUE))
    out["deleted"] = [client.delete_subject(subject), client.delete_subject(subject, permanent=True)]
    return out


print(json.dumps({"read": read, "registry": registry}[sys.argv[1]](*sys.argv[2:]), default=plain))
