using System.Buffers.Binary;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Dns;

/// <summary>
/// Reads DNS messages that anybody may have written. Never throws, reads each byte a bounded number of times, and takes from an
/// answer only what belongs to its question: the addresses of the asked name, or of the name that a chain of aliases from there
/// leads to. Not thread-safe.
/// </summary>
internal sealed class DnsParser
{
    public const ushort AddressType = 1;
    public const ushort Address6Type = 28;

    private const int HeaderLength = 12;
    private const int MaxRecords = 256;
    private const int MaxAliases = 16;
    private const ushort AliasType = 5;
    private const ushort InternetClass = 1;
    private const byte ResponseBit = 0x80;
    private const byte TruncatedBit = 0x02;

    private readonly Dictionary<string, (string Target, uint Seconds)> _aliases = [];
    private readonly List<(string Owner, Address16 Address, uint Seconds)> _addresses = [];

    /// <summary>Of the last message; the next one overwrites it.</summary>
    public DnsAnswer Result { get; } = new();

    /// <param name="isWhole">Whether the message ends where the span does; otherwise the rest was cut on the way here.</param>
    public DnsReading Read(ReadOnlySpan<byte> message, bool isWhole)
    {
        Result.Addresses.Clear();
        if (message.Length < HeaderLength || BinaryPrimitives.ReadUInt16BigEndian(message[4..]) != 1)
        {
            return DnsReading.Malformed;
        }

        var at = HeaderLength;
        if (DnsName.Read(message, ref at) is not { } name || at + 4 > message.Length)
        {
            return DnsReading.Malformed;
        }

        Result.Id = BinaryPrimitives.ReadUInt16BigEndian(message);
        Result.Name = name;
        Result.Type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        var isInternet = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]) == InternetClass;
        at += 4;
        if ((message[2] & ResponseBit) == 0)
        {
            return isInternet ? DnsReading.Question : DnsReading.Malformed;
        }

        if ((message[2] & TruncatedBit) != 0)
        {
            return DnsReading.Truncated;
        }

        // With an error there is nothing to say; a name that does not exist may still have aliases.
        if (!isInternet || (message[3] & 0x0f) != 0)
        {
            return DnsReading.Empty;
        }

        if (!ReadRecords(message, at, BinaryPrimitives.ReadUInt16BigEndian(message[6..]), isWhole))
        {
            return DnsReading.Malformed;
        }

        Follow(name);
        return Result.Addresses.Count > 0 ? DnsReading.Answer : DnsReading.Empty;
    }

    private bool ReadRecords(ReadOnlySpan<byte> message, int at, int count, bool isWhole)
    {
        _aliases.Clear();
        _addresses.Clear();
        for (var i = 0; i < Math.Min(count, MaxRecords); i++)
        {
            if (DnsName.Read(message, ref at) is not { } owner || at + 10 > message.Length)
            {
                return !isWhole;
            }

            var type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
            var isInternet = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]) == InternetClass;
            var seconds = BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]);
            var length = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
            at += 10;
            if (at + length > message.Length)
            {
                return !isWhole;
            }

            // Negative as the format's authors saw it: to be taken for 0.
            seconds = seconds > int.MaxValue ? 0 : seconds;
            if (isInternet && !Take(message, at, length, type, owner, seconds))
            {
                return false;
            }

            at += length;
        }

        return true;
    }

    private bool Take(ReadOnlySpan<byte> message, int at, int length, ushort type, string owner, uint seconds)
    {
        var data = message.Slice(at, length);
        switch (type)
        {
            case AddressType when length == 4:
                Span<byte> mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, data[0], data[1], data[2], data[3]];
                _addresses.Add((owner, new Address16(mapped), seconds));
                return true;
            case Address6Type when length == Address16.Length:
                _addresses.Add((owner, new Address16(data), seconds));
                return true;
            case AddressType or Address6Type:
                return false;
            case AliasType:
                var position = at;
                if (DnsName.Read(message, ref position) is not { } target || position != at + length)
                {
                    return false;
                }

                // A name has one alias at most; the first is as good as any.
                _aliases.TryAdd(owner, (target, seconds));
                return true;
            default:
                return true;
        }
    }

    private void Follow(string name)
    {
        var shortest = uint.MaxValue;
        for (var hops = 0; hops <= MaxAliases; hops++)
        {
            foreach (var (owner, address, seconds) in _addresses)
            {
                if (owner == name && Result.Addresses.Count < DnsAnswer.MaxAddresses && !Result.Addresses.Contains(address))
                {
                    Result.Addresses.Add(address);
                    shortest = Math.Min(shortest, seconds);
                }
            }

            if (Result.Addresses.Count > 0 || !_aliases.Remove(name, out var alias))
            {
                break;
            }

            name = alias.Target;
            shortest = Math.Min(shortest, alias.Seconds);
        }

        Result.TimeToLive = TimeSpan.FromSeconds(shortest);
    }
}
