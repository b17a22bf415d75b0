using System.Net.NetworkInformation;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>The addresses of this machine's interfaces, looked up again when they may have changed.</summary>
internal sealed class NodeAddresses
{
    private static readonly TimeSpan LookUpAgainAfter = TimeSpan.FromSeconds(30);

    private readonly Func<IEnumerable<Address16>> _lookUp;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private HashSet<Address16> _addresses = [];
    private long? _lookedUpAt;

    public NodeAddresses(TimeProvider time)
        : this(OfInterfaces, time)
    {
    }

    internal NodeAddresses(Func<IEnumerable<Address16>> lookUp, TimeProvider time)
    {
        _lookUp = lookUp;
        _time = time;
    }

    public bool Contains(in Address16 address)
    {
        lock (_lock)
        {
            if (_lookedUpAt is not { } at || _time.GetElapsedTime(at) >= LookUpAgainAfter)
            {
                _lookedUpAt = _time.GetTimestamp();
                LookUp();
            }

            return _addresses.Contains(address);
        }
    }

    private static IEnumerable<Address16> OfInterfaces() =>
        from card in NetworkInterface.GetAllNetworkInterfaces()
        from address in card.GetIPProperties().UnicastAddresses
        select Address16.From(address.Address);

    private void LookUp()
    {
        try
        {
            _addresses = [.. _lookUp()];
        }
        catch (NetworkInformationException)
        {
            // An interface that vanished while we looked; the next look finds the rest.
        }
    }
}
