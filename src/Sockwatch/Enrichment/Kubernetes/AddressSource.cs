using System.Security.Cryptography;
using System.Text;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>The objects of one watch with their addresses. Not thread-safe: its watch alone calls it, except for the count.</summary>
internal sealed class AddressSource(AddressBook book)
{
    private readonly Dictionary<UInt128, Entry> _entries = [];
    private int _list;
    private bool _isListing;
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void BeginList()
    {
        _list++;
        _isListing = true;
    }

    /// <param name="addresses">None is the same as an object that is gone: nobody else may be given its name.</param>
    public void Put(ApiMetadata metadata, string peerClass, in TopOwner top, ReadOnlySpan<Address16> addresses, AddressRank rank = AddressRank.Own)
    {
        var key = KeyOf(metadata.Uid);
        if (addresses.IsEmpty)
        {
            Remove(key);
            return;
        }

        // In a list stands what has been for some time; in a watch, what has just become.
        var now = book.NowMs;
        var from = _isListing && metadata.CreationTimestamp is { } created ? Math.Min(created.ToUnixTimeMilliseconds(), now) : now;
        var isKnown = _entries.TryGetValue(key, out var entry);
        var first = book.Put(entry.First, !isKnown, peerClass, top, addresses, rank, from);
        if (first is null)
        {
            return;
        }

        _entries[key] = new Entry(first, _list);
        Volatile.Write(ref _count, _entries.Count);
    }

    public void Remove(ApiMetadata? metadata) => Remove(KeyOf(metadata?.Uid));

    public void EndList()
    {
        _isListing = false;
        foreach (var (key, entry) in _entries)
        {
            if (entry.List != _list)
            {
                Remove(key);
            }
        }
    }

    private void Remove(UInt128 key)
    {
        if (_entries.Remove(key, out var entry))
        {
            book.Remove(entry.First);
            Volatile.Write(ref _count, _entries.Count);
        }
    }

    private static UInt128 KeyOf(string? uid)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        if (!Guid.TryParseExact(uid, "D", out var guid))
        {
            SHA256.HashData(Encoding.UTF8.GetBytes(uid ?? ""), hash);
            guid = new Guid(hash[..16]);
        }

        guid.TryWriteBytes(hash);
        return System.Runtime.InteropServices.MemoryMarshal.Read<UInt128>(hash);
    }

    private readonly record struct Entry(AddressHolding First, int List);
}
