using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Dns;

/// <summary>
/// Puts together the messages that programs send and receive by TCP in parts. A message of which a part is missing is none. Bounded;
/// not thread-safe.
/// </summary>
internal sealed class DnsParts(int limit)
{
    private readonly BoundedCache<(ulong Socket, byte Direction), Begun> _begun = new(limit);

    /// <summary>Messages forgotten before their last part to make room. May be read by any thread.</summary>
    public long Evictions => _begun.Evictions;

    /// <summary>The message, as much of it as is carried here; empty while parts are to come.</summary>
    public ReadOnlySpan<byte> Add(in DnsMessage part)
    {
        var captures = part.Captures;
        var awaited = Math.Min((int)part.Length, DnsText.Longest);
        var key = (part.SocketCookie, part.Direction);
        if (part.Offset == 0 && captures.Length >= awaited)
        {
            return captures[..awaited];
        }

        if (part.Offset == 0)
        {
            _begun.Add(key, new Begun(part.Length, awaited));
        }

        if (!_begun.TryGet(key, out var begun) || begun.Length != part.Length || begun.Filled != part.Offset || captures.Length > awaited - begun.Filled)
        {
            _begun.Remove(key);
            return [];
        }

        captures.CopyTo(begun.Text.AsSpan(begun.Filled));
        begun.Filled += captures.Length;
        if (begun.Filled < awaited)
        {
            return [];
        }

        _begun.Remove(key);
        return begun.Text;
    }

    private sealed class Begun(ushort length, int awaited)
    {
        public ushort Length { get; } = length;

        public byte[] Text { get; } = new byte[awaited];

        public int Filled { get; set; }
    }
}
