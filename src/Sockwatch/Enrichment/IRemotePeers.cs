using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>Who is behind an address.</summary>
/// <param name="Class">Of <see cref="PeerClass"/>; empty leaves what the address alone tells.</param>
internal sealed record RemotePeer(Workload Workload, string Class);

/// <summary>Who has which address, in the cluster. As with <see cref="ILocalPods"/>, it answers from memory and at once.</summary>
internal interface IRemotePeers
{
    /// <param name="edge">The peer's address is what is asked about; port and role help where several share it.</param>
    /// <param name="at">When the address was spoken to: it may have had another owner since.</param>
    /// <param name="isAwaited">A name, or a better one, may come within moments.</param>
    RemotePeer? Find(in EdgeKey edge, DateTimeOffset at, out bool isAwaited);
}
