using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Payload;

namespace Sockwatch.Exporters;

/// <summary>Flow records as JSON lines, under the attribute names that OTLP logs carry. What is unknown is left out.</summary>
internal sealed class FlowLogJson(IFlowNaming naming, BootClock clock, FlowLogIdentity identity, FlowPayloads? payloads = null)
    : IFlowLineFormat, IDisposable
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

    public bool HasLine(in FlowRecord record) => FlowLogNames.EventName(record.Kind) is not null;

    public bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines)
    {
        if (FlowLogNames.EventName(record.Kind) is not { } eventName)
        {
            return false;
        }

        Begin(in record, eventName, lines);
        WriteCounts(in record);
        WriteOwner(in record);
        WritePayload(in record);
        End(lines);
        return true;
    }

    public bool TryWrite(in FlowRecord record, QueuedPayload payload, IBufferWriter<byte> lines)
    {
        Begin(in record, "flow.payload", lines);
        WriteOwner(in record);
        _json.WriteString(Names.IoDirection, payload.Direction == NetworkDirection.Transmit ? "transmit" : "receive");
        _json.WriteNumber(Names.PayloadSequence, payload.Sequence);
        _json.WriteString(Names.Payload, payloads?.Encode(payload.Bytes) ?? PayloadText.Of(payload.Bytes));
        End(lines);
        return true;
    }

    private void Begin(in FlowRecord record, string eventName, IBufferWriter<byte> lines)
    {
        _json.Reset(lines);
        _json.WriteStartObject();
        WriteTime(Names.Time, record.AtNs);
        _json.WriteString(Names.EventName, eventName);
        WriteDetection(in record);
        WriteFlow(in record);
        WriteNetwork(in record);
    }

    private void End(IBufferWriter<byte> lines)
    {
        _json.WriteEndObject();
        _json.Flush();
        lines.Write("\n"u8);
    }

    private void WritePayload(in FlowRecord record)
    {
        var payload = payloads?.Of(in record) ?? default;
        WriteText(Names.ProtocolName, payload.Protocol?.Name);
        WriteText(Names.ProtocolVersion, payload.Protocol?.Version);
        WriteText(Names.ServerAddress, payload.Protocol?.ServerName);
        WriteText(Names.Payload, payload.Sent);
        WriteText(Names.PayloadReceived, payload.Received);
    }

    public void Dispose() => _json.Dispose();

    private void WriteDetection(in FlowRecord record)
    {
        if (record.Kind != RecordKind.FlowDetect)
        {
            return;
        }

        var detection = naming.Detection(record.Detection) ?? Verdicts.Detections.Unknown;
        _json.WriteString(Names.DetectionName, detection.Name);
        _json.WriteNumber(Names.DetectionClassification, detection.Classification);
    }

    private void WriteFlow(in FlowRecord record)
    {
        Span<byte> id = stackalloc byte[FlowLogIdentity.Length];
        identity.Format(in record, id);
        _json.WriteString(Names.FlowId, id);
        if (record.StartedAtNs != 0 && FlowLogNames.HasStarted(in record))
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
        _json.WriteString(Names.FlowAttribution, record.Attribution.Name());
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
        var names = naming.Name(in record);
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
        if (naming.Pod(edge.CgroupId) is { } pod)
        {
            WritePod(pod);
        }

        WriteText(Names.WorkloadNamespace, names.WorkloadNamespace);
        WriteText(Names.WorkloadKind, names.WorkloadKind);
        WriteText(Names.WorkloadName, names.WorkloadName);
        WriteText(Names.PeerClass, names.PeerClass);
        WriteText(Names.PeerNamespace, names.PeerNamespace);
        WriteText(Names.PeerKind, names.PeerKind);
        WriteText(Names.PeerName, names.PeerName);
        if (naming.Backend(in record) is { } backend)
        {
            WriteEndpoint(Names.BackendAddress, Names.BackendPort, backend.Address, backend.Port);
            WriteText(Names.BackendNamespace, backend.Namespace);
            WriteText(Names.BackendKind, backend.Kind);
            WriteText(Names.BackendName, backend.Name);
        }
    }

    private void WritePod(PodNames pod)
    {
        WriteText(Names.PodNamespace, pod.Namespace);
        WriteText(Names.PodName, pod.Name);
        WriteText(Names.PodUid, pod.Uid);
        WriteText(Names.PodContainer, pod.Container);
        WriteText(Names.PodNode, pod.Node);
        foreach (var (name, value) in pod.More)
        {
            _json.WriteString(name, value);
        }
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
        public static readonly JsonEncodedText Payload = JsonEncodedText.Encode("flow.payload");
        public static readonly JsonEncodedText PayloadReceived = JsonEncodedText.Encode("flow.payload.received");
        public static readonly JsonEncodedText PayloadSequence = JsonEncodedText.Encode("flow.payload.sequence");
        public static readonly JsonEncodedText IoDirection = JsonEncodedText.Encode("network.io.direction");
        public static readonly JsonEncodedText ProtocolName = JsonEncodedText.Encode("network.protocol.name");
        public static readonly JsonEncodedText ProtocolVersion = JsonEncodedText.Encode("network.protocol.version");
        public static readonly JsonEncodedText ServerAddress = JsonEncodedText.Encode("server.address");
        public static readonly JsonEncodedText Time = JsonEncodedText.Encode("time");
        public static readonly JsonEncodedText EventName = JsonEncodedText.Encode("event.name");
        public static readonly JsonEncodedText DetectionName = JsonEncodedText.Encode("detection.name");
        public static readonly JsonEncodedText DetectionClassification = JsonEncodedText.Encode("detection.classification");
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
        public static readonly JsonEncodedText PodNamespace = JsonEncodedText.Encode("k8s.namespace.name");
        public static readonly JsonEncodedText PodName = JsonEncodedText.Encode("k8s.pod.name");
        public static readonly JsonEncodedText PodUid = JsonEncodedText.Encode("k8s.pod.uid");
        public static readonly JsonEncodedText PodContainer = JsonEncodedText.Encode("k8s.container.name");
        public static readonly JsonEncodedText PodNode = JsonEncodedText.Encode("k8s.node.name");
        public static readonly JsonEncodedText WorkloadNamespace = JsonEncodedText.Encode("workload.namespace");
        public static readonly JsonEncodedText WorkloadKind = JsonEncodedText.Encode("workload.kind");
        public static readonly JsonEncodedText WorkloadName = JsonEncodedText.Encode("workload.name");
        public static readonly JsonEncodedText PeerClass = JsonEncodedText.Encode("peer.class");
        public static readonly JsonEncodedText PeerNamespace = JsonEncodedText.Encode("peer.namespace");
        public static readonly JsonEncodedText PeerKind = JsonEncodedText.Encode("peer.kind");
        public static readonly JsonEncodedText PeerName = JsonEncodedText.Encode("peer.name");
        public static readonly JsonEncodedText BackendAddress = JsonEncodedText.Encode("peer.backend.address");
        public static readonly JsonEncodedText BackendPort = JsonEncodedText.Encode("peer.backend.port");
        public static readonly JsonEncodedText BackendNamespace = JsonEncodedText.Encode("peer.backend.namespace");
        public static readonly JsonEncodedText BackendKind = JsonEncodedText.Encode("peer.backend.kind");
        public static readonly JsonEncodedText BackendName = JsonEncodedText.Encode("peer.backend.name");
    }
}
