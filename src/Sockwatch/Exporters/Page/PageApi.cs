using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// The page's data as JSON, under /api/v1/. Edges and records go by the attribute names of metrics and flow logs; rates are per
/// second, durations in seconds. docs/page.md describes each answer.
/// </summary>
internal sealed class PageApi(NamedRecords records, PageNode node, TimeProvider time)
{
    private const int DefaultEvents = 50;
    private const int MaxEvents = 500;
    private const int RecordsOfEdge = 50;

    /// <summary>Writes the answer; the status is for the caller to send with it.</summary>
    public int Answer(string resource, IQueryCollection query, TrafficView view, Stream answer)
    {
        using var json = new Utf8JsonWriter(answer);
        json.WriteStartObject();
        var status = Answer(resource, query, view, json, out var error);
        if (error.Length > 0)
        {
            json.WriteString("error", error);
        }

        json.WriteEndObject();
        return status;
    }

    private int Answer(string resource, IQueryCollection query, TrafficView view, Utf8JsonWriter json, out string error)
    {
        error = "";
        switch (resource)
        {
            case "node":
                WriteNode(view, json);
                return StatusCodes.Status200OK;
            case "edges" when EdgeQuery.Parse(query, out error) is { } edges:
                WriteEdges(view, edges, json);
                return StatusCodes.Status200OK;
            case "map" when EdgeQuery.Parse(query, out error) is { } filter
                && EdgeQuery.Whole(query, "links", ServiceMap.DefaultLinks, 1, ServiceMap.MaxLinks, ref error) is { } links:
                WriteMap(ServiceMap.Of(view, EdgeFilter.Parse(filter.Text), links), json);
                return StatusCodes.Status200OK;
            case "events" when EdgeQuery.Whole(query, "limit", DefaultEvents, 1, MaxEvents, ref error) is { } limit:
                WriteEvents(limit, json);
                return StatusCodes.Status200OK;
            case var one when one.StartsWith("edges/", StringComparison.Ordinal)
                && long.TryParse(one.AsSpan("edges/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var id):
                if (view.Find(id) is { } row)
                {
                    WriteEdge(row, json);
                    return StatusCodes.Status200OK;
                }

                error = $"edge {id} is not, or no longer, in the report";
                return StatusCodes.Status404NotFound;
        }

        if (error.Length > 0)
        {
            return StatusCodes.Status400BadRequest;
        }

        error = "not found; there are node, edges, edges/ID, map and events";
        return StatusCodes.Status404NotFound;
    }

    private void WriteNode(TrafficView view, Utf8JsonWriter json)
    {
        var report = view.Report;
        json.WriteString("node", node.Name);
        json.WriteString("version", node.Build.Version);
        json.WriteString("kernel", node.Build.Kernel);
        WriteTimes(view, json);
        WriteList(json, "missing", node.Missing, json.WriteStringValue);

        json.WriteStartObject("rates");
        WriteRate(json, "sent", view.SentRate);
        WriteRate(json, "received", view.ReceivedRate);
        WriteRate(json, "connections", view.ConnectionRate);
        WriteRate(json, "failures", view.FailureRate);
        json.WriteEndObject();
        json.WriteNumber("connections.open", view.Open);
        json.WriteNumber("bytes.sent", report.Observed.Transmitted);
        json.WriteNumber("bytes.received", report.Observed.Received);

        json.WriteStartObject("edges");
        json.WriteNumber("count", report.Series.Length);
        json.WriteNumber("limit", report.Budget.Limit);
        json.WriteNumber("folded", report.Budget.Folded.Max());
        json.WriteEndObject();

        json.WriteStartObject("records");
        json.WriteBoolean("on", node.HasEvents);
        json.WriteBoolean("all", node.HasRecords);
        json.WriteNumber("limit", node.RecordLimit);
        json.WriteEndObject();

        WriteList(json, "hooks", report.Hooks, hook =>
        {
            json.WriteStartObject();
            json.WriteString("operation", hook.Operation);
            json.WriteString("backend", hook.Backend);
            json.WriteString("state", hook.State);
            json.WriteEndObject();
        });
        WriteList(json, "losses", report.Losses, loss => WriteCount(json, "stage", loss.Stage, "reason", loss.Reason, loss.Count));
        WriteList(json, "exportFailures", node.ExportFailures, failure =>
            WriteCount(json, "exporter", failure.Exporter, "reason", failure.Reason, failure.Count));
        WriteCost(report, json);
    }

    private void WriteCost(TrafficReport report, Utf8JsonWriter json)
    {
        json.WriteStartObject("cost");
        if (node.CpuShare is { } share)
        {
            json.WriteNumber("cpu", Math.Round(share, 5));
        }

        json.WriteNumber("memory", Environment.WorkingSet);
        json.WriteNumber("collection", report.Duration.TotalSeconds);
        json.WriteNumber("collectionFailures", report.CollectionFailures);
        json.WriteEndObject();

        WriteList(json, "programs", report.Programs, program =>
        {
            json.WriteStartObject();
            json.WriteString("program", program.Program);
            json.WriteNumber("runs", program.Runs);
            json.WriteNumber("seconds", program.RunTime.TotalSeconds);
            json.WriteNumber("missed", program.Missed);
            json.WriteEndObject();
        });
        WriteList(json, "maps", report.Maps, map =>
        {
            json.WriteStartObject();
            json.WriteString("map", map.Map);
            json.WriteNumber("entries", map.Entries);
            json.WriteNumber("limit", map.MaxEntries);
            json.WriteEndObject();
        });
    }

    private void WriteEdges(TrafficView view, EdgeQuery query, Utf8JsonWriter json)
    {
        var (rows, matched) = query.Apply(view);
        WriteTimes(view, json);
        json.WriteNumber("total", view.Rows.Length);
        json.WriteNumber("matched", matched);
        json.WriteNumber("offset", query.Offset);
        json.WriteNumber("limit", query.Limit);
        json.WriteString("sort", query.Sort);
        json.WriteString("order", query.IsDescending ? "desc" : "asc");
        WriteList(json, "edges", rows, row =>
        {
            json.WriteStartObject();
            WriteRow(row, json);
            json.WriteEndObject();
        });
    }

    private static void WriteRow(in EdgeRow row, Utf8JsonWriter json)
    {
        json.WriteNumber("id", row.Series.Id);
        WriteNames(row.Edge, json);
        json.WriteString("workload", EdgeText.Workload(row.Edge));
        json.WriteString("peer", EdgeText.Peer(row.Edge));
        WriteRate(json, "rate.sent", row.SentRate);
        WriteRate(json, "rate.received", row.ReceivedRate);
        WriteRate(json, "rate.connections", row.ConnectionRate);
        WriteRate(json, "rate.failures", row.FailureRate);
        json.WriteNumber("bytes.sent", row.Series.Totals.BytesSent);
        json.WriteNumber("bytes.received", row.Series.Totals.BytesReceived);
        json.WriteNumber("connections.open", row.Series.Open);
        json.WriteNumber("connections", row.Connections);
        json.WriteNumber("failures", row.Failures);
    }

    private void WriteEdge(in EdgeRow row, Utf8JsonWriter json)
    {
        var series = row.Series;
        ref readonly var totals = ref series.Totals;
        WriteRow(row, json);
        json.WriteString("start", series.StartedAt(TrafficMetric.SocketIo).UtcDateTime);
        json.WriteNumber("sends", totals.Sends);
        json.WriteNumber("receives", totals.Receives);
        json.WriteNumber("connects", totals.Connects);
        json.WriteNumber("accepts", totals.Accepts);
        json.WriteNumber("releases", totals.Releases);
        json.WriteNumber("tcp.retransmits", totals.Retransmits);
        json.WriteNumber("tcp.resets.sent", totals.ResetsSent);
        json.WriteNumber("tcp.resets.received", totals.ResetsReceived);
        json.WriteNumber("listen.overflows", totals.ListenOverflows);
        WriteList(json, "errors", series.Failures, failure =>
        {
            json.WriteStartObject();
            json.WriteString("socket.operation", failure.Operation.Name());
            json.WriteString("error.type", failure.ErrorType);
            json.WriteNumber("count", failure.Count);
            json.WriteEndObject();
        });

        json.WriteStartObject("latency");
        if (series.Timings is { } timings)
        {
            WriteLatency(json, "connect", timings.Connect, LatencyBounds.Latency);
            WriteLatency(json, "tcp.rtt", timings.Rtt, LatencyBounds.Latency);
            WriteLatency(json, "connection", timings.Connection, LatencyBounds.Lifetime);
        }

        json.WriteEndObject();

        var recent = records.Of(row.Edge, RecordsOfEdge);
        WriteProcesses(recent, json);
        WriteList(json, "records", recent, record => json.WriteRawValue(record.Json.Span, skipInputValidation: true));
    }

    // Whose sockets they were, as far as records are still here to tell; the metrics know no pids.
    private void WriteProcesses(IReadOnlyList<NamedRecord> recent, Utf8JsonWriter json) => WriteList(
        json, "processes", recent.Where(record => record.Record.Pid != 0).DistinctBy(record => (record.Record.Pid, record.Record.ProcessStartedAtNs)), record =>
        {
            json.WriteStartObject();
            json.WriteNumber("process.pid", record.Record.Pid);
            json.WriteNumber("user.id", record.Record.Uid);
            if (records.ExecutablePath(record.Record) is { Length: > 0 } path)
            {
                json.WriteString("process.executable.path", path);
            }

            if (records.ContainerId(record.Record) is { Length: > 0 } container)
            {
                json.WriteString("container.id", container);
            }

            json.WriteString("last", records.TimeOf(record.Record));
            json.WriteEndObject();
        });

    private static void WriteMap(ServiceMap map, Utf8JsonWriter json)
    {
        json.WriteNumber("links.all", map.AllLinks);
        WriteList(json, "nodes", map.Nodes, end =>
        {
            json.WriteStartObject();
            json.WriteString("name", end.Name);
            json.WriteString("detail", EdgeText.Kind(end.Kind, end.Namespace));
            json.WriteString("class", end.Class);
            json.WriteBoolean("local", end.IsLocal);
            json.WriteString("place", end.Place);
            json.WriteEndObject();
        });
        WriteList(json, "links", map.Links, link =>
        {
            ref readonly var sums = ref link.Sums;
            json.WriteStartObject();
            json.WriteNumber("source", link.Source);
            json.WriteNumber("target", link.Target);
            WriteList(json, "ports", link.Ports, json.WriteStringValue);
            json.WriteNumber("edges", sums.Edges);
            WriteRate(json, "rate.sent", sums.SentRate);
            WriteRate(json, "rate.received", sums.ReceivedRate);
            json.WriteNumber("bytes", sums.Bytes);
            json.WriteNumber("connections.open", sums.Open);
            json.WriteNumber("failures", sums.Failures);
            WriteRate(json, "rate.failures", sums.FailureRate);
            json.WriteEndObject();
        });
    }

    private void WriteEvents(int limit, Utf8JsonWriter json)
    {
        json.WriteBoolean("on", node.HasEvents);
        json.WriteNumber("count", node.EventCount);
        json.WriteNumber("limit", node.RecordLimit);
        json.WriteString("now", time.GetUtcNow().UtcDateTime);
        WriteList(json, "events", records.Events(limit), record => json.WriteRawValue(record.Json.Span, skipInputValidation: true));
    }

    private void WriteTimes(TrafficView view, Utf8JsonWriter json)
    {
        json.WriteString("now", time.GetUtcNow().UtcDateTime);
        if (view.Report.Time != default)
        {
            json.WriteString("time", view.Report.Time.UtcDateTime);
        }

        json.WriteNumber("window", view.Window.TotalSeconds);
    }

    private static void WriteNames(EdgeAttributes edge, Utf8JsonWriter json)
    {
        for (var i = 0; i < MetricCatalogue.EdgeAttributeNames.Length; i++)
        {
            if (MetricCatalogue.EdgeLabel(edge, i) is { Length: > 0 } value)
            {
                json.WriteString(MetricCatalogue.EdgeAttributeNames[i], value);
            }
        }

        if (edge.PeerAddress.Length > 0)
        {
            json.WriteString("network.peer.address", edge.PeerAddress);
        }
    }

    private static void WriteLatency(Utf8JsonWriter json, string name, in Latency latency, ReadOnlySpan<ulong> boundsNs)
    {
        var count = latency.Count;
        if (count == 0)
        {
            return;
        }

        json.WriteStartObject(name);
        json.WriteNumber("count", count);
        json.WriteNumber("sum", latency.SumNs / 1e9);
        foreach (var (quantile, share) in ((string, double)[])[("p50", 0.5), ("p90", 0.9), ("p99", 0.99)])
        {
            json.WriteNumber(quantile, Math.Round(LatencyQuantile.Of(latency, boundsNs, share) / 1e9, 9));
        }

        json.WriteStartArray("buckets");
        for (var i = 0; i < LatencyBuckets.Length; i++)
        {
            json.WriteStartObject();
            if (i < boundsNs.Length)
            {
                json.WriteNumber("le", boundsNs[i] / 1e9);
            }

            json.WriteNumber("count", latency.Buckets[i]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRate(Utf8JsonWriter json, string name, double rate) => json.WriteNumber(name, Math.Round(rate, 3));

    private static void WriteCount(Utf8JsonWriter json, string firstName, string first, string secondName, string second, long count)
    {
        json.WriteStartObject();
        json.WriteString(firstName, first);
        json.WriteString(secondName, second);
        json.WriteNumber("count", count);
        json.WriteEndObject();
    }

    private static void WriteList<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (var item in items)
        {
            write(item);
        }

        json.WriteEndArray();
    }
}
