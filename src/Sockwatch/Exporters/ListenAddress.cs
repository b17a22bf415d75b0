using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Sockwatch.Exporters;

/// <summary>Where to listen. Without an address it is every address, of both families where the machine has IPv6.</summary>
internal sealed record ListenAddress(IPAddress? Address, int Port)
{
    public static bool TryParse(string text, [NotNullWhen(true)] out ListenAddress? address)
    {
        address = null;
        var colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            return false;
        }

        if (colon == 0)
        {
            address = new ListenAddress(null, port);
            return true;
        }

        var host = text.AsSpan(0, colon);
        if (host is ['[', .. var inner, ']'])
        {
            host = inner;
        }
        else if (host.Contains(':'))
        {
            return false;
        }

        if (!IPAddress.TryParse(host, out var parsed))
        {
            return false;
        }

        address = new ListenAddress(parsed, port);
        return true;
    }

    public override string ToString() => Address is null
        ? string.Create(CultureInfo.InvariantCulture, $":{Port}")
        : new IPEndPoint(Address, Port).ToString();
}
