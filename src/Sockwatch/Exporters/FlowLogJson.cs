using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Flow records as JSON lines, under the attribute names that OTLP logs carry. What is unknown is left out.</summary>
internal sealed class FlowLogJson(IFlowNaming naming, BootClock clock, FlowLogIdentity identity) : IFlowLineFormat, IDisposable
{
    private const decimal NsPerSecond = 1_000_000_000m;
    private const decimal UsPerSecond = 1_000_000m;

    private static readonly JsonWriterOptions Options = new()
    {
        // Lines are not put into HTML: "g++" should stay readable. Quotes, backslashes and control characters are escaped.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    private readonly Utf8JsonWriter _json = new(Stream.Null, Options);

    public bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines)
    {
        if (FlowLogNames.EventName(record.Kind) is not { } eventName)
        {
            return false;
        }

        _json.Reset(lines);
        _json.WriteStartObject();
        WriteTime(Names.Time, record.AtNs);
        _json.WriteString(Names.EventName, eventName);
        WriteFlow(in record);
        WriteNetwork(in record);
        WriteCounts(in record);
        WriteOwner(in record);
        _json.WriteEndObject();
        _json.Flush();
        lines.Write("\n"u8);
        return true;
    }

    public void Dispose() => _json.Dispose();

    private void WriteFlow(in FlowRecord record)
    {
        Span<byte> id = stackalloc byte[FlowLogIdentity.Length];
        identity.Format(in record, id);
        _json.WriteString(Names.FlowId, id);
        if (record.StartedAtNs != 0)
        {
            WriteTime(Names.FlowStartTime, record.StartedAtNs);
        }

        if (record.Kind is RecordKind.FlowUpdate or RecordKind.FlowEnd && record.StartedAtNs != 0 && record.AtNs >= record.StartedAtNs)
        {
            _json.WriteNumber(Names.FlowDuration, (record.AtNs - record.StartedAtNs) / NsPerSecond);
        }

        WriteText(Names.FlowEndReason, FlowLogNames.Name(record.EndReason));
        if (record.ConnectDurationNs != 0)
        {
            _json.WriteNumber(Names.FlowConnectDuration, record.ConnectDurationNs / NsPerSecond);
        }

        WriteText(Names.ErrorType, ErrorType.Name(record.Error));
        _json.WriteString(Names.FlowAttribution, FlowLogNames.Name(record.Attribution));
    }

    private void WriteNetwork(in FlowRecord record)
    {
        var edge = record.Edge;
        WriteText(Names.NetworkRole, FlowLogNames.Name(edge.Role));
        WriteText(Names.NetworkTransport, TransportProtocol.Name(edge.Transport));
        WriteText(Names.NetworkType, FlowLogNames.NetworkType(edge.NetworkType));
        WriteEndpoint(Names.LocalAddress, Names.LocalPort, record.LocalAddress, record.LocalPort);
        WriteEndpoint(Names.PeerAddress, Names.PeerPort, edge.PeerAddress, record.RemotePort);
    }

    private void WriteCounts(in FlowRecord record)
    {
        if (record.Kind is not (RecordKind.FlowEnd or RecordKind.FlowUpdate))
        {
            return;
        }

        _json.WriteNumber(Names.BytesSent, record.BytesSent);
        _json.WriteNumber(Names.BytesReceived, record.BytesReceived);
        _json.WriteNumber(Names.Sends, record.Sends);
        _json.WriteNumber(Names.Receives, record.Receives);
        if (record.Kind == RecordKind.FlowUpdate)
        {
            var delta = FlowCounts.NewIn(in record);
            _json.WriteNumber(Names.DeltaBytesSent, delta.BytesSent);
            _json.WriteNumber(Names.DeltaBytesReceived, delta.BytesReceived);
            _json.WriteNumber(Names.DeltaSends, delta.Sends);
            _json.WriteNumber(Names.DeltaReceives, delta.Receives);
        }

        if (record.Edge.Transport == TransportProtocol.Tcp)
        {
            if (record.RttUs != 0)
            {
                _json.WriteNumber(Names.TcpRtt, record.RttUs / UsPerSecond);
            }

            _json.WriteNumber(Names.TcpRetransmits, record.Retransmits);
        }
    }

    private void WriteOwner(in FlowRecord record)
    {
        var edge = record.Edge;
        var names = naming.Name(in edge);
        if (record.Pid != 0)
        {
            _json.WriteNumber(Names.ProcessPid, record.Pid);
            if (record.ParentPid != 0)
            {
                _json.WriteNumber(Names.ProcessParentPid, record.ParentPid);
            }
        }

        WriteText(Names.ProcessExecutablePath, naming.ExecutablePath(edge.ExecutableId));
        WriteText(Names.ProcessExecutableName, names.ProcessExecutableName);
        if (record.Attribution != FlowAttribution.None)
        {
            _json.WriteNumber(Names.UserId, record.Uid);
        }

        WriteText(Names.ContainerId, naming.ContainerId(edge.CgroupId));
        WriteText(Names.WorkloadNamespace, names.WorkloadNamespace);
        WriteText(Names.WorkloadKind, names.WorkloadKind);
        WriteText(Names.WorkloadName, names.WorkloadName);
        WriteText(Names.PeerClass, names.PeerClass);
        WriteText(Names.PeerNamespace, names.PeerNamespace);
        WriteText(Names.PeerKind, names.PeerKind);
        WriteText(Names.PeerName, names.PeerName);
    }

    private void WriteTime(JsonEncodedText name, ulong bootNs)
    {
        Span<byte> text = stackalloc byte[FlowLogTime.NanosecondsLength];
        FlowLogTime.FormatNanoseconds(clock.ToUnixNs(bootNs), text);
        _json.WriteString(name, text);
    }

    private void WriteText(JsonEncodedText name, string? text)
    {
        if (!string.IsNullOrEmpty(text))
        {
            _json.WriteString(name, text);
        }
    }

    private void WriteEndpoint(JsonEncodedText addressName, JsonEncodedText portName, Address16 address, ushort port)
    {
        if (!address.IsZero)
        {
            _json.WriteString(addressName, address.ToString());
        }

        if (port != 0)
        {
            _json.WriteNumber(portName, port);
        }
    }

    private static class Names
    {
        public static readonly JsonEncodedText Time = JsonEncodedText.Encode("time");
        public static readonly JsonEncodedText EventName = JsonEncodedText.Encode("event.name");
        public static readonly JsonEncodedText FlowId = JsonEncodedText.Encode("flow.id");
        public static readonly JsonEncodedText FlowStartTime = JsonEncodedText.Encode("flow.start_time");
        public static readonly JsonEncodedText FlowDuration = JsonEncodedText.Encode("flow.duration");
        public static readonly JsonEncodedText FlowEndReason = JsonEncodedText.Encode("flow.end_reason");
        public static readonly JsonEncodedText FlowConnectDuration = JsonEncodedText.Encode("flow.connect_duration");
        public static readonly JsonEncodedText ErrorType = JsonEncodedText.Encode("error.type");
        public static readonly JsonEncodedText FlowAttribution = JsonEncodedText.Encode("flow.attribution");
        public static readonly JsonEncodedText NetworkRole = JsonEncodedText.Encode("network.role");
        public static readonly JsonEncodedText NetworkTransport = JsonEncodedText.Encode("network.transport");
        public static readonly JsonEncodedText NetworkType = JsonEncodedText.Encode("network.type");
        public static readonly JsonEncodedText LocalAddress = JsonEncodedText.Encode("network.local.address");
        public static readonly JsonEncodedText LocalPort = JsonEncodedText.Encode("network.local.port");
        public static readonly JsonEncodedText PeerAddress = JsonEncodedText.Encode("network.peer.address");
        public static readonly JsonEncodedText PeerPort = JsonEncodedText.Encode("network.peer.port");
        public static readonly JsonEncodedText BytesSent = JsonEncodedText.Encode("flow.bytes.sent");
        public static readonly JsonEncodedText BytesReceived = JsonEncodedText.Encode("flow.bytes.received");
        public static readonly JsonEncodedText Sends = JsonEncodedText.Encode("flow.sends");
        public static readonly JsonEncodedText Receives = JsonEncodedText.Encode("flow.receives");
        public static readonly JsonEncodedText DeltaBytesSent = JsonEncodedText.Encode("flow.delta.bytes.sent");
        public static readonly JsonEncodedText DeltaBytesReceived = JsonEncodedText.Encode("flow.delta.bytes.received");
        public static readonly JsonEncodedText DeltaSends = JsonEncodedText.Encode("flow.delta.sends");
        public static readonly JsonEncodedText DeltaReceives = JsonEncodedText.Encode("flow.delta.receives");
        public static readonly JsonEncodedText TcpRtt = JsonEncodedText.Encode("flow.tcp.rtt");
        public static readonly JsonEncodedText TcpRetransmits = JsonEncodedText.Encode("flow.tcp.retransmits");
        public static readonly JsonEncodedText ProcessPid = JsonEncodedText.Encode("process.pid");
        public static readonly JsonEncodedText ProcessParentPid = JsonEncodedText.Encode("process.parent_pid");
        public static readonly JsonEncodedText ProcessExecutablePath = JsonEncodedText.Encode("process.executable.path");
        public static readonly JsonEncodedText ProcessExecutableName = JsonEncodedText.Encode("process.executable.name");
        public static readonly JsonEncodedText UserId = JsonEncodedText.Encode("user.id");
        public static readonly JsonEncodedText ContainerId = JsonEncodedText.Encode("container.id");
        public static readonly JsonEncodedText WorkloadNamespace = JsonEncodedText.Encode("workload.namespace");
        public static readonly JsonEncodedText WorkloadKind = JsonEncodedText.Encode("workload.kind");
        public static readonly JsonEncodedText WorkloadName = JsonEncodedText.Encode("workload.name");
        public static readonly JsonEncodedText PeerClass = JsonEncodedText.Encode("peer.class");
        public static readonly JsonEncodedText PeerNamespace = JsonEncodedText.Encode("peer.namespace");
        public static readonly JsonEncodedText PeerKind = JsonEncodedText.Encode("peer.kind");
        public static readonly JsonEncodedText PeerName = JsonEncodedText.Encode("peer.name");
    }
}
