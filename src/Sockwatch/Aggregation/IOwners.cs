using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// Knows whether those who own sockets are still there. Owners are cgroups: containers, pods, units; and processes where edges are told
/// apart by them.
/// </summary>
internal interface IOwners
{
    /// <summary>It was there and has been removed; false when that is not known.</summary>
    bool IsGone(in EdgeKey key);
}
