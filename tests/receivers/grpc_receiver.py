"""A receiver of OTLP over gRPC that is not ours: Python's grpc and opentelemetry-proto.

grpc_receiver.py FOLDER: prints the port it listens on, and leaves each request as FOLDER/SIGNAL-NUMBER for decode.py.
"""

import concurrent.futures
import itertools
import os
import sys

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

FOLDER = sys.argv[1]


class Keeper:
    """The one method that all services have."""

    def __init__(self, signal, response):
        self.signal = signal
        self.response = response
        self.numbers = itertools.count()

    def Export(self, request, context):
        path = os.path.join(FOLDER, f"{self.signal}-{next(self.numbers):06}")
        with open(path + ".part", "wb") as file:
            file.write(request.SerializeToString())
        os.rename(path + ".part", path)
        return self.response


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(
        Keeper("metrics", metrics_service_pb2.ExportMetricsServiceResponse()), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Keeper("logs", logs_service_pb2.ExportLogsServiceResponse()), server)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Keeper("traces", trace_service_pb2.ExportTraceServiceResponse()), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()


main()
