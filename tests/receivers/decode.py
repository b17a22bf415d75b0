"""Reads OTLP requests by Python's opentelemetry-proto and prints what they hold as JSON, one line for each file.

decode.py metrics|logs|traces FILE...; exit code 1 when a request holds a field that the format does not have.
"""

import json
import sys

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags

REQUESTS = {"metrics": ExportMetricsServiceRequest, "logs": ExportLogsServiceRequest, "traces": ExportTraceServiceRequest}


def refuse_unknown(message, path):
    if len(message.UnknownFields()):
        sys.exit(f"{path} holds a field that its type does not have")
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if field.label == field.LABEL_REPEATED else [value]:
                refuse_unknown(one, f"{path}.{field.name}")


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def points(metric):
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    for point in data.data_points:
        row = {
            "name": metric.name,
            "unit": metric.unit,
            "help": metric.description,
            "kind": kind,
            "temporality": getattr(data, "aggregation_temporality", 0),
            "monotonic": getattr(data, "is_monotonic", False),
            "attributes": attributes(point.attributes),
            "start": point.start_time_unix_nano,
            "time": point.time_unix_nano,
            "end": bool(point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK),
        }
        if row["end"] and kind != "histogram":
            assert point.WhichOneof("value") is None, row
            yield row
            continue
        if kind == "histogram":
            row |= {
                "count": point.count,
                "sum": point.sum,
                "buckets": list(point.bucket_counts),
                "bounds": list(point.explicit_bounds),
            }
            assert sum(point.bucket_counts) == point.count, row
            assert len(point.bucket_counts) == len(point.explicit_bounds) + 1, row
        else:
            row["value"] = getattr(point, point.WhichOneof("value"))
            row["type"] = point.WhichOneof("value")
        yield row


def metrics(request):
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from points(metric)


def logs(request):
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for log in scope.log_records:
                yield {
                    "event": log.event_name,
                    "time": log.time_unix_nano,
                    "observed": log.observed_time_unix_nano,
                    "severity": log.severity_number,
                    "trace": log.trace_id.hex(),
                    "span": log.span_id.hex(),
                    "body": log.HasField("body"),
                    "attributes": attributes(log.attributes),
                }


def traces(request):
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "name": span.name,
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "kind": span.kind,
                    "status": span.status.code,
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "attributes": attributes(span.attributes),
                }


def main():
    kind, *files = sys.argv[1:]
    for name in files:
        with open(name, "rb") as file:
            request = REQUESTS[kind].FromString(file.read())
        refuse_unknown(request, kind)
        resources = getattr(request, {"metrics": "resource_metrics", "logs": "resource_logs", "traces": "resource_spans"}[kind])
        print(json.dumps({"resource": attributes(resources[0].resource.attributes), "rows": list(globals()[kind](request))}))


main()
