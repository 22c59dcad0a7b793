"""Creates a topic, writes records and reads them back, knowing one address and the contract alone.

usage: produce_and_consume.py ADDRESS STUBS TOPIC [--only-read]
STUBS is the folder that the generated modules are in. Prints "partition offset value" for every record that was read.
"""

import sys

address, stubs, topic = sys.argv[1:4]
sys.path.insert(0, stubs)

import grpc  # noqa: E402
from moldau.cluster.v1 import cluster_pb2, cluster_pb2_grpc  # noqa: E402
from moldau.log.v1 import log_pb2, log_pb2_grpc, record_pb2  # noqa: E402

PARTITIONS = 6
RECORDS = 300


def write(cluster, log):
    created = cluster.CreateTopic(cluster_pb2.CreateTopicRequest(name=topic, partitions=PARTITIONS))
    assert len(created.topic.partitions) == PARTITIONS
    for number in range(RECORDS):
        record = record_pb2.Record(key=b"key %d" % (number % 50), value=b"record %d" % number)
        appended = log.Append(log_pb2.AppendRequest(topic=topic, records=[record]), wait_for_ready=True)
        assert appended.base_offset == appended.last_offset


def read(cluster, log):
    found = cluster.GetMetadata(cluster_pb2.GetMetadataRequest(topics=[topic]))
    assert all(node.address == address for node in found.nodes), [node.address for node in found.nodes]
    for partition in found.topics[0].partitions:
        request = log_pb2.ReadRequest(
            topic=topic,
            partition=partition.index,
            until=record_pb2.Position(latest=record_pb2.Latest()),
            **{"from": record_pb2.Position(earliest=record_pb2.Earliest())},
        )
        for answer in log.Read(request):
            for record in answer.records:
                print(partition.index, record.offset, record.value.decode())


with grpc.insecure_channel(address) as channel:
    services = cluster_pb2_grpc.ClusterServiceStub(channel), log_pb2_grpc.LogServiceStub(channel)
    if "--only-read" not in sys.argv:
        write(*services)
    read(*services)
