using System.Text;
using Sockwatch.Diagnostics;

namespace Sockwatch.Verdicts;

/// <summary>
/// Numbers for the kinds of detections that the lists name. The kernel knows the numbers only. A kind keeps its number for as long as
/// any list has it and an hour longer, so that records and counts under way have their name. Bounded: what comes when all numbers are
/// taken shares the last one. Any thread may use it.
/// </summary>
internal sealed class Detections(TimeProvider time, int limit = Detections.MaxKinds)
{
    /// <summary>The numbers from 1 to this one.</summary>
    public const int MaxKinds = ushort.MaxValue - 1;

    public const ushort Other = ushort.MaxValue;

    /// <summary>Bytes of a name; longer ones are cut.</summary>
    public const int MaxNameLength = 128;

    public const string OtherName = "_other";
    public const string Unnamed = "unnamed";

    /// <summary>Of a number whose name has gone with the last list that had it.</summary>
    public static readonly Detection Unknown = new(0, OtherName);

    private static readonly TimeSpan KeptFor = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, ushort> _numbers = [];
    private readonly List<Kind> _kinds = [new Kind()];
    private readonly Stack<ushort> _free = [];
    private long _withoutNumber;

    /// <summary>How often a kind found no number of its own.</summary>
    public long WithoutNumber => Volatile.Read(ref _withoutNumber);

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _numbers.Count;
            }
        }
    }

    /// <param name="name">As the list has it; empty for none.</param>
    public ushort NumberOf(uint classification, ReadOnlySpan<byte> name)
    {
        name = name.Length > MaxNameLength ? name[..MaxNameLength] : name;
        lock (_lock)
        {
            // Two kinds with one hash are told apart by trying the next.
            for (var hash = Fnv1a.Hash(name) ^ (classification * 0x9E3779B97F4A7C15UL); ; hash++)
            {
                if (!_numbers.TryGetValue(hash, out var number))
                {
                    return Add(hash, classification, name);
                }

                var kind = _kinds[number];
                if (kind.Classification == classification && name.SequenceEqual(kind.Bytes))
                {
                    kind.UnlistedAt = null;
                    return number;
                }
            }
        }
    }

    /// <summary>Null for a number that nothing has, or has any more.</summary>
    public Detection? Find(int number)
    {
        lock (_lock)
        {
            return number switch
            {
                0 => null,
                Other => Unknown,
                _ when number < _kinds.Count && _kinds[number].IsUsed => new Detection(_kinds[number].Classification, _kinds[number].Name),
                _ => null,
            };
        }
    }

    /// <summary>Frees the numbers of kinds that no list has had for a while.</summary>
    /// <param name="isListed">By number.</param>
    public void Forget(Func<int, bool> isListed)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            foreach (var (hash, number) in _numbers.ToList())
            {
                var kind = _kinds[number];
                if (isListed(number))
                {
                    kind.UnlistedAt = null;
                }
                else if (kind.UnlistedAt is not { } since)
                {
                    kind.UnlistedAt = now;
                }
                else if (time.GetElapsedTime(since, now) >= KeptFor && !_numbers.ContainsKey(hash + 1))
                {
                    _numbers.Remove(hash);
                    _kinds[number] = new Kind();
                    _free.Push(number);
                }
            }
        }
    }

    private ushort Add(ulong hash, uint classification, ReadOnlySpan<byte> name)
    {
        if (!_free.TryPop(out var number))
        {
            if (_kinds.Count > limit)
            {
                _withoutNumber++;
                return Other;
            }

            number = (ushort)_kinds.Count;
            _kinds.Add(new Kind());
        }

        _kinds[number] = new Kind
        {
            IsUsed = true,
            Classification = classification,
            Bytes = name.ToArray(),
            Name = name.IsEmpty ? Unnamed : PrintableText.Of(Encoding.UTF8.GetString(name), MaxNameLength),
        };
        _numbers.Add(hash, number);
        return number;
    }

    private sealed class Kind
    {
        public bool IsUsed { get; init; }

        public uint Classification { get; init; }

        public byte[] Bytes { get; init; } = [];

        public string Name { get; init; } = "";

        public long? UnlistedAt { get; set; }
    }
}
