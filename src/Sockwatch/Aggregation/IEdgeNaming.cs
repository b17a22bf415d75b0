using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>Gives an edge its names. Asked again at later collections, because names become known late.</summary>
internal interface IEdgeNaming
{
    EdgeAttributes Name(in EdgeKey key);

    /// <summary>Another number when something has changed that is not to be waited for: names of before are due to be asked for again.</summary>
    uint Generation => 0;
}
