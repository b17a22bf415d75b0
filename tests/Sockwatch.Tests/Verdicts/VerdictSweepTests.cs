using Sockwatch.Kernel;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Verdicts;

/// <summary>Ranges against the plain meaning of prefixes: of all that hold an address, the longest counts.</summary>
public class VerdictSweepTests
{
    [Fact]
    public void An_allowed_network_inside_a_detected_one_is_cut_out()
    {
        ulong[] entries =
        [
            VerdictEntries.Pack(0x0A000000, 8, 7),
            VerdictEntries.Pack(0x0A010000, 16, 0),
            VerdictEntries.Pack(0x0A010101, 32, 9),
        ];

        var ranges = Ranges(entries);

        Assert.Equal(
            [(0x00000000, 0), (0x0A000000, 7), (0x0A010000, 0), (0x0A010101, 9), (0x0A010102, 0), (0x0A020000, 7), (0x0B000000, 0)],
            ranges.Select(range => (range.First, (int)new Verdict(range.Verdict).Detection)));
    }

    [Fact]
    public void Of_two_entries_of_one_network_the_later_one_counts()
    {
        ulong[] entries = [VerdictEntries.Pack(1, 32, 5), VerdictEntries.Pack(1, 32, 3), VerdictEntries.Pack(1, 32, 4)];

        VerdictSweep.Sort(entries);

        Assert.Equal(4, Find(Ranges(entries), 1).Detection);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_address_has_the_verdict_of_its_longest_prefix(int seed)
    {
        var random = new Random(seed);
        var entries = new ulong[400];
        for (var i = 0; i < entries.Length; i++)
        {
            // Few high bits and every length, so that they nest and touch; both ends of the space among them.
            var length = random.Next(33);
            var address = random.Next(4) switch { 0 => 0u, 1 => uint.MaxValue, _ => ((uint)random.Next(8) << 29) | (uint)random.Next(64) };
            entries[i] = VerdictEntries.Pack(length == 0 ? 0 : address & ~(uint)((1UL << (32 - length)) - 1), length, (ushort)random.Next(5));
        }

        var inOrder = entries.ToArray();
        VerdictSweep.Sort(entries);
        var ranges = Ranges(entries);

        Assert.Equal(ranges.OrderBy(range => range.First).Select(range => range.First).Distinct(), ranges.Select(range => range.First));
        foreach (var (address, _, _) in inOrder.Select(VerdictEntries.Unpack))
        {
            foreach (var near in (uint[])[address, unchecked(address - 1), unchecked(address + 1), address ^ 0x8000_0000, address | 0xff])
            {
                Assert.Equal(Expected(inOrder, near), Find(ranges, near));
            }
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void So_has_every_ipv6_address(int seed)
    {
        var random = new Random(seed);
        var entries = new VerdictEntries.Entry6[300];
        for (var i = 0; i < entries.Length; i++)
        {
            var length = random.Next(129);
            var address = random.Next(4) switch { 0 => UInt128.Zero, 1 => UInt128.MaxValue, _ => ((UInt128)random.Next(8) << 125) | (UInt128)random.Next(64) };
            entries[i] = new VerdictEntries.Entry6(length == 0 ? 0 : address & ~Beyond(length), (byte)length, (ushort)random.Next(5));
        }

        var sorted = VerdictSweep.Sorted(entries);
        var ranges = new ListedRange6[1 + VerdictSweep.Over(sorted, new RangeCounter<UInt128>()).Count];
        VerdictSweep.Over(sorted, new RangeWriter([], ranges));

        Assert.Equal((ulong)ranges.Length - 1, ranges[0].Low);
        foreach (var entry in entries)
        {
            foreach (var near in (UInt128[])[entry.Address, entry.Address - 1, entry.Address + 1, entry.Address | Beyond(entry.Length)])
            {
                var expected = entries.LastOrDefault(
                    other => other.Length == entries.Where(Holds).Select(holder => holder.Length).DefaultIfEmpty().Max() && Holds(other));
                var found = ranges.Skip(1).Last(range => range.First <= near);
                Assert.Equal(entries.Any(Holds) ? Verdict.Of(expected.Detection, expected.Length) : default, new Verdict(found.Verdict));

                bool Holds(VerdictEntries.Entry6 one) => (near & ~Beyond(one.Length)) == one.Address;
            }
        }
    }

    private static UInt128 Beyond(int length) => length switch { 0 => UInt128.MaxValue, 128 => UInt128.Zero, _ => UInt128.MaxValue >> length };

    private static ListedRange4[] Ranges(ulong[] entries)
    {
        var ranges = new ListedRange4[1 + VerdictSweep.Over(entries, new RangeCounter<uint>()).Count];
        VerdictSweep.Over(entries, new RangeWriter(ranges, []));
        Assert.Equal((uint)ranges.Length - 1, ranges[0].First);
        Assert.Equal(0u, ranges[1].First);
        return ranges[1..];
    }

    private static Verdict Find(ListedRange4[] ranges, uint address) => new(ranges.Last(range => range.First <= address).Verdict);

    private static Verdict Expected(ulong[] entries, uint address)
    {
        var holders = entries.Select(VerdictEntries.Unpack)
            .Where(entry => entry.Length == 0 || (address ^ entry.Address) >> (32 - entry.Length) == 0).ToList();
        if (holders.Count == 0)
        {
            return default;
        }

        var (_, length, detection) = holders.Last(entry => entry.Length == holders.Max(holder => holder.Length));
        return Verdict.Of(detection, length + 96);
    }
}
