"""Consumes in a group until nothing has come for a moment, knowing one address and the contract alone.

usage: consume_in_group.py ADDRESS STUBS TOPIC GROUP COUNT
STUBS is the folder that the generated modules are in. Prints "partition offset value" for every record, acknowledges each
frame when it is printed, and ends after COUNT records, when they are committed.
"""

import queue
import sys

address, stubs, topic, group, count = sys.argv[1:6]
sys.path.insert(0, stubs)

import grpc  # noqa: E402
from moldau.group.v1 import subscription_pb2, subscription_pb2_grpc  # noqa: E402
from moldau.log.v1 import record_pb2  # noqa: E402

said = queue.Queue()


def say(**frame):
    said.put(subscription_pb2.SubscribeRequest(**frame))


say(
    start=subscription_pb2.SubscribeStart(
        group=group, topics=[topic], **{"from": record_pb2.Position(earliest=record_pb2.Earliest())}
    )
)
left = int(count)
with grpc.insecure_channel(address) as channel:
    subscription = subscription_pb2_grpc.SubscriptionServiceStub(channel).Subscribe(iter(said.get, None))
    for answer in subscription:
        assert not answer.HasField("commit_failed"), answer
        if not answer.HasField("records"):
            continue
        records = answer.records
        for record in records.records:
            print(records.partition, record.offset, record.value.decode())
        said.put(
            subscription_pb2.SubscribeRequest(
                ack=subscription_pb2.SubscribeAck(
                    topic=records.topic, partition=records.partition, next_offset=records.next_offset
                )
            )
        )
        left -= len(records.records)
        if left <= 0:
            # No more will be said: what was acknowledged is committed before the stream ends.
            said.put(None)
