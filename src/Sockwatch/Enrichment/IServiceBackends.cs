using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>Who is behind a service that a client talks to.</summary>
internal interface IServiceBackends
{
    /// <summary>A record of a client's flow whose peer is a service. It takes microseconds at a flow's first record, and nothing after.</summary>
    void Ask(in FlowRecord record);

    /// <summary>Null when nobody is known to be.</summary>
    Endpoint? Find(in FlowRecord record);
}
