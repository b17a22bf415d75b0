using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Dns;

/// <summary>
/// Which name an address was last found under, by those who asked: the processes of one pod, of one container, or all of the host that
/// are in none. What one container is told never names another's peers. A name is good for its time to live, within bounds, and
/// after its last use for as long as names are kept; a newer answer takes its place, and flows that began before keep the older.
/// Bounded; not thread-safe.
/// </summary>
internal sealed class DnsNames(int limit, TimeSpan minTtl, TimeSpan maxTtl, TimeSpan keep)
{
    // An address of a large provider has many names; the last few tell who began before the last change.
    private const int MaxClaims = 4;

    // What turns the kernel's clock into the time of day is corrected between one use and the next.
    private static readonly TimeSpan ClockStep = TimeSpan.FromMilliseconds(2);

    private readonly BoundedCache<(Address16 Address, string Scope), List<Claim>> _names = new(limit);

    public int Count => _names.Count;

    /// <summary>May be read by any thread.</summary>
    public long Evictions => _names.Evictions;

    public void Learn(string scope, string name, IReadOnlyList<Address16> addresses, TimeSpan timeToLive, DateTimeOffset at)
    {
        var until = at + (timeToLive < minTtl ? minTtl : timeToLive > maxTtl ? maxTtl : timeToLive);
        foreach (var address in addresses)
        {
            if (!_names.TryGet((address, scope), out var claims))
            {
                _names.Add((address, scope), claims = new List<Claim>(1));
            }

            if (claims is [.., { } last] && last.Name == name && at <= last.Until)
            {
                last.Until = last.Until > until ? last.Until : until;
                continue;
            }

            if (claims.Count == MaxClaims)
            {
                claims.RemoveAt(0);
            }

            claims.Add(new Claim(name, at) { Until = until });
        }
    }

    /// <summary>The name that was good then; null when there was none.</summary>
    public string? Find(in Address16 address, string scope, DateTimeOffset at, DateTimeOffset now)
    {
        if (!_names.TryGet((address, scope), out var claims))
        {
            return null;
        }

        for (var i = claims.Count - 1; i >= 0; i--)
        {
            var claim = claims[i];
            if (claim.From > at + ClockStep)
            {
                continue;
            }

            if (at > claim.Until)
            {
                return null;
            }

            // In use: whoever asks again for the same flow is to hear the same.
            if (i == claims.Count - 1 && now + keep > claim.Until)
            {
                claim.Until = now + keep;
            }

            return claim.Name;
        }

        return null;
    }

    private sealed class Claim(string name, DateTimeOffset from)
    {
        public string Name { get; } = name;

        public DateTimeOffset From { get; } = from;

        public DateTimeOffset Until { get; set; }
    }
}
