using Sockwatch.Aggregation;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;

namespace Sockwatch.Payload;

/// <summary>What the flows of each edge speak, for the metrics' sake. Bounded; an edge that is forgotten has an empty label.</summary>
internal sealed class EdgeProtocols
{
    private const int MaxEdges = 65_536;

    private readonly Lock _lock = new();
    private readonly BoundedCache<EdgeKey, string> _names = new(MaxEdges);

    public void Add(EdgeKey edge, string name)
    {
        lock (_lock)
        {
            _names.Add(edge, name);
        }
    }

    public string? Find(EdgeKey edge)
    {
        lock (_lock)
        {
            return _names.TryGet(edge, out var name) ? name : null;
        }
    }
}

/// <summary>Adds the protocol to an edge's names.</summary>
internal sealed class ProtocolNaming(IEdgeNaming names, EdgeProtocols protocols) : IEdgeNaming
{
    public uint Generation => names.Generation;

    public EdgeAttributes Name(in EdgeKey key)
    {
        var edge = names.Name(in key);
        return protocols.Find(key) is { } name ? edge with { ProtocolName = name } : edge with { IsProvisional = edge.IsProvisional || key.Transport == TransportProtocol.Tcp };
    }
}
