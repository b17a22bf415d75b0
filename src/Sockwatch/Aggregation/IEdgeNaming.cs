using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>Gives an edge its names. Asked again at later collections, because names become known late.</summary>
internal interface IEdgeNaming
{
    EdgeAttributes Name(in EdgeKey key);
}
