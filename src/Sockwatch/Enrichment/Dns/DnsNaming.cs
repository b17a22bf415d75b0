using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Enrichment.Dns;

/// <summary>
/// Names addresses by the DNS answers on this machine. What waits in the kernel's ring is read before a name is given to anything
/// younger than the last look, since an answer comes before the connection that it is for. Not thread-safe.
/// </summary>
internal sealed class DnsNaming : IDnsMessageSink
{
    // Of edges, which have no beginning: as fresh as the flow records are.
    private static readonly TimeSpan FreshFor = TimeSpan.FromMilliseconds(100);

    private readonly IDnsMessages _messages;
    private readonly Cgroups _cgroups;
    private readonly TimeProvider _time;
    private readonly DnsNames _names;
    private readonly DnsWatch _watch;
    private DateTimeOffset _drainedAt;

    public DnsNaming(
        IDnsMessages messages, Cgroups cgroups, EnrichmentOptions options, DnsLedger ledger, CacheLedger caches, BootClock clock, TimeProvider time, int maxQuestions)
    {
        _messages = messages;
        _cgroups = cgroups;
        _time = time;
        _names = new DnsNames(options.MaxDnsNames, options.DnsMinTtl, options.DnsMaxTtl, options.KeepNames);
        _watch = new DnsWatch(_names, ledger, clock, maxQuestions);
        caches.Follow("dns_names", () => _names.Evictions);
        caches.Follow("dns_questions", () => _watch.Evictions);
    }

    public void Drain()
    {
        _drainedAt = _time.GetUtcNow();
        _messages.Drain(this);
    }

    public string? Find(in EdgeKey key, CgroupName? cgroup, DateTimeOffset at)
    {
        var now = _time.GetUtcNow();
        var isOfTheMoment = at >= now;
        if (isOfTheMoment ? now - _drainedAt >= FreshFor || now < _drainedAt : at > _drainedAt)
        {
            Drain();
        }

        return _names.Find(key.PeerAddress, ScopeOf(key.CgroupId, cgroup), at, now);
    }

    public void OnMessage(in DnsMessage message) => _watch.OnMessage(message, ScopeOf(message.CgroupId, _cgroups.Find(message.CgroupId)));

    // A cgroup without a name may be anybody's, so it shares with nobody.
    private static string ScopeOf(ulong cgroupId, CgroupName? cgroup) =>
        cgroup is null ? $"#{cgroupId}" : cgroup.PodUid ?? cgroup.ContainerId ?? "";
}
