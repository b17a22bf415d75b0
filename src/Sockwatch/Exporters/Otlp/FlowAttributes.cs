using System.Collections;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Payload;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Makes the attributes of a flow record, the ones that a JSON line has as keys. What is unknown is left out.</summary>
internal sealed class FlowAttributes(IFlowNaming naming, BootClock clock, FlowLogIdentity identity, FlowPayloads? payloads = null)
{
    private const double NsPerSecond = 1e9;
    private const double UsPerSecond = 1e6;

    public FlowAttributeList Of(in FlowRecord record)
    {
        var list = new FlowAttributeList { At = FlowLogTime.DateTime(clock.ToUnixNs(record.AtNs) / 100), FlowId = FlowId(in record) };
        AddDetection(list, in record);
        AddFlow(list, in record);
        AddNetwork(list, in record);
        AddCounts(list, in record);
        AddOwner(list, in record);
        AddPayload(list, in record);
        return list;
    }

    public string FlowId(in FlowRecord record)
    {
        Span<byte> id = stackalloc byte[FlowLogIdentity.Length];
        identity.Format(in record, id);
        return Encoding.ASCII.GetString(id);
    }

    /// <summary>UTC.</summary>
    public DateTime Time(ulong bootNs) => FlowLogTime.DateTime(clock.ToUnixNs(bootNs) / 100);

    private void AddDetection(FlowAttributeList list, in FlowRecord record)
    {
        if (record.Kind == RecordKind.FlowDetect)
        {
            var detection = naming.Detection(record.Detection) ?? Verdicts.Detections.Unknown;
            list.Add("detection.name", detection.Name);
            list.Add("detection.classification", (long)detection.Classification);
        }
    }

    private void AddFlow(FlowAttributeList list, in FlowRecord record)
    {
        list.Add("flow.id", list.FlowId);
        if (record.StartedAtNs != 0 && FlowLogNames.HasStarted(in record))
        {
            Span<byte> text = stackalloc byte[FlowLogTime.NanosecondsLength];
            FlowLogTime.FormatNanoseconds(clock.ToUnixNs(record.StartedAtNs), text);
            list.Add("flow.start_time", Encoding.ASCII.GetString(text));
        }

        if (record.Kind is RecordKind.FlowUpdate or RecordKind.FlowEnd && record.StartedAtNs != 0 && record.AtNs >= record.StartedAtNs)
        {
            list.Add("flow.duration", (record.AtNs - record.StartedAtNs) / NsPerSecond);
        }

        list.Add("flow.end_reason", FlowLogNames.Name(record.EndReason));
        if (record.ConnectDurationNs != 0)
        {
            list.Add("flow.connect_duration", record.ConnectDurationNs / NsPerSecond);
        }

        list.Add("error.type", ErrorType.Name(record.Error));
        list.Add("flow.attribution", record.Attribution.Name());
    }

    private static void AddNetwork(FlowAttributeList list, in FlowRecord record)
    {
        var edge = record.Edge;
        list.Add("network.role", FlowLogNames.Name(edge.Role));
        list.Add("network.transport", TransportProtocol.Name(edge.Transport));
        list.Add("network.type", FlowLogNames.NetworkType(edge.NetworkType));
        AddEndpoint(list, "network.local.address", "network.local.port", record.LocalAddress, record.LocalPort);
        AddEndpoint(list, "network.peer.address", "network.peer.port", edge.PeerAddress, record.RemotePort);
    }

    private static void AddCounts(FlowAttributeList list, in FlowRecord record)
    {
        if (record.Kind is not (RecordKind.FlowUpdate or RecordKind.FlowEnd))
        {
            return;
        }

        list.Add("flow.bytes.sent", (long)record.BytesSent);
        list.Add("flow.bytes.received", (long)record.BytesReceived);
        list.Add("flow.sends", (long)record.Sends);
        list.Add("flow.receives", (long)record.Receives);
        if (record.Kind == RecordKind.FlowUpdate)
        {
            var delta = FlowCounts.NewIn(in record);
            list.Add("flow.delta.bytes.sent", (long)delta.BytesSent);
            list.Add("flow.delta.bytes.received", (long)delta.BytesReceived);
            list.Add("flow.delta.sends", (long)delta.Sends);
            list.Add("flow.delta.receives", (long)delta.Receives);
        }

        if (record.Edge.Transport == TransportProtocol.Tcp)
        {
            if (record.RttUs != 0)
            {
                list.Add("flow.tcp.rtt", record.RttUs / UsPerSecond);
            }

            list.Add("flow.tcp.retransmits", (long)record.Retransmits);
        }
    }

    private void AddOwner(FlowAttributeList list, in FlowRecord record)
    {
        var edge = record.Edge;
        var names = naming.Name(in record);
        if (record.Pid != 0)
        {
            list.Add("process.pid", (long)record.Pid);
            if (record.ParentPid != 0)
            {
                list.Add("process.parent_pid", (long)record.ParentPid);
            }
        }

        list.Add("process.executable.path", naming.ExecutablePath(edge.ExecutableId));
        list.Add("process.executable.name", names.ProcessExecutableName);
        if (record.Attribution != FlowAttribution.None)
        {
            list.Add("user.id", (long)record.Uid);
        }

        list.Add("container.id", naming.ContainerId(edge.CgroupId));
        if (naming.Pod(edge.CgroupId) is { } pod)
        {
            AddPod(list, pod);
        }

        list.Add("workload.namespace", names.WorkloadNamespace);
        list.Add("workload.kind", names.WorkloadKind);
        list.Add("workload.name", names.WorkloadName);
        list.Add("peer.class", names.PeerClass);
        list.Add("peer.namespace", names.PeerNamespace);
        list.Add("peer.kind", names.PeerKind);
        list.Add("peer.name", names.PeerName);
        if (naming.Backend(in record) is { } backend)
        {
            AddEndpoint(list, "peer.backend.address", "peer.backend.port", backend.Address, backend.Port);
            list.Add("peer.backend.namespace", backend.Namespace);
            list.Add("peer.backend.kind", backend.Kind);
            list.Add("peer.backend.name", backend.Name);
        }
    }

    private void AddPayload(FlowAttributeList list, in FlowRecord record)
    {
        var payload = payloads?.Of(in record) ?? default;
        list.Add("network.protocol.name", payload.Protocol?.Name);
        list.Add("network.protocol.version", payload.Protocol?.Version);
        list.Add("server.address", payload.Protocol?.ServerName);
        list.Add("flow.payload", payload.Sent);
        list.Add("flow.payload.received", payload.Received);
    }

    private static void AddPod(FlowAttributeList list, PodNames pod)
    {
        list.Add("k8s.namespace.name", pod.Namespace);
        list.Add("k8s.pod.name", pod.Name);
        list.Add("k8s.pod.uid", pod.Uid);
        list.Add("k8s.container.name", pod.Container);
        list.Add("k8s.node.name", pod.Node);
        foreach (var (name, value) in pod.More)
        {
            list.Add(name, value);
        }
    }

    private static void AddEndpoint(FlowAttributeList list, string addressName, string portName, Address16 address, ushort port)
    {
        if (!address.IsZero)
        {
            list.Add(addressName, address.ToString());
        }

        if (port != 0)
        {
            list.Add(portName, (long)port);
        }
    }
}

/// <summary>The attributes of one record, and when it happened.</summary>
internal sealed class FlowAttributeList : IReadOnlyList<KeyValuePair<string, object?>>
{
    private readonly List<KeyValuePair<string, object?>> _attributes = new(32);

    /// <summary>UTC.</summary>
    public DateTime At { get; init; }

    public required string FlowId { get; init; }

    public int Count => _attributes.Count;

    public KeyValuePair<string, object?> this[int index] => _attributes[index];

    public void Add(string name, string? text)
    {
        if (!string.IsNullOrEmpty(text))
        {
            _attributes.Add(new(name, text));
        }
    }

    public void Add(string name, long number) => _attributes.Add(new(name, number));

    public void Add(string name, double number) => _attributes.Add(new(name, number));

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _attributes.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
