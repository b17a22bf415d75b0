using System.Net;
using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Xunit;

namespace Sockwatch.KernelTests.Bpf;

public sealed class BpfMapTests : IDisposable
{
    private readonly BpfObject _maps = TestPrograms.Load("maps");

    public void Dispose() => _maps.Dispose();

    [Fact]
    public void Stores_finds_and_deletes()
    {
        var pairs = _maps.Map<ulong, Pair>("pairs");

        pairs.Update(1, new Pair(10, 11));

        Assert.True(pairs.TryLookup(1, out var found));
        Assert.Equal(new Pair(10, 11), found);
        Assert.False(pairs.TryLookup(2, out _));
        Assert.True(pairs.Delete(1));
        Assert.False(pairs.Delete(1));
    }

    [Fact]
    public void An_update_can_ask_for_a_new_or_an_existing_key()
    {
        var pairs = _maps.Map<ulong, Pair>("pairs");

        Assert.True(pairs.TryAdd(1, new Pair(10, 11)));
        Assert.False(pairs.TryAdd(1, new Pair(20, 21)));
        var failure = Assert.Throws<BpfException>(() => pairs.Update(2, default, MapUpdate.OnlyExisting));
        pairs.Update(1, new Pair(30, 31), MapUpdate.OnlyExisting);

        Assert.Equal("bpf_map_update_elem(pairs): No such file or directory (errno 2)", failure.Message);
        Assert.True(pairs.TryLookup(1, out var found));
        Assert.Equal(new Pair(30, 31), found);
    }

    [Fact]
    public void Takes_an_entry_out()
    {
        var pairs = _maps.Map<ulong, Pair>("pairs");
        pairs.Update(1, new Pair(10, 11));

        Assert.True(pairs.TryLookupAndDelete(1, out var taken));
        Assert.False(pairs.TryLookupAndDelete(1, out _));

        Assert.Equal(new Pair(10, 11), taken);
    }

    [Fact]
    public void Refuses_types_of_another_size()
    {
        Assert.Throws<InvalidOperationException>(() => _maps.Map<uint, Pair>("pairs"));
        Assert.Throws<InvalidOperationException>(() => _maps.Map<ulong, ulong>("pairs"));
        Assert.Throws<InvalidOperationException>(() => _maps.Map<uint, Pair>("pairs_per_cpu"));
        Assert.Throws<InvalidOperationException>(() => _maps.PerCpuArray<Pair>("pairs"));
    }

    [Theory]
    [InlineData(1)] // Smaller than a hash bucket: has to grow on the way.
    [InlineData(7)]
    [InlineData(512)]
    public void Batches_bring_every_entry_once(int batchSize)
    {
        var pairs = _maps.Map<ulong, Pair>("pairs");
        for (ulong key = 1; key <= 64; key++)
        {
            pairs.Update(key, new Pair(key * 10, 0));
        }

        var batches = new MapBatches<ulong, Pair>(pairs, batchSize);
        var first = ReadAll(batches);
        batches.Restart();
        var second = ReadAll(batches);

        Assert.Equal(Enumerable.Range(1, 64).Select(key => ((ulong)key, (ulong)key * 10)), first);
        Assert.Equal(first, second);
    }

    [Fact]
    public void Batches_of_an_empty_map_end_at_once()
    {
        var batches = new MapBatches<ulong, Pair>(_maps.Map<ulong, Pair>("pairs"));

        Assert.Empty(ReadAll(batches));
        Assert.False(batches.ReadNext());
    }

    [Fact]
    public void Batches_work_for_keys_shorter_than_the_cursor()
    {
        var map = _maps.Map<byte, uint>("short_keys");
        for (byte key = 0; key < 32; key++)
        {
            map.Update(key, key);
        }

        var seen = new List<byte>();
        var batches = new MapBatches<byte, uint>(map, batchSize: 8);
        while (batches.ReadNext())
        {
            seen.AddRange(batches.Keys);
        }

        Assert.Equal(Enumerable.Range(0, 32).Select(key => (byte)key), seen.Order());
    }

    [Fact]
    public void Deletes_in_a_batch_and_steps_over_missing_keys()
    {
        var pairs = _maps.Map<ulong, Pair>("pairs");
        foreach (var key in (ulong[])[1, 2, 3, 4])
        {
            pairs.Update(key, default);
        }

        var deleted = pairs.DeleteBatch([1, 99, 3, 98]);

        Assert.Equal(2, deleted);
        Assert.Equal(2, pairs.CountEntries());
        Assert.True(pairs.TryLookup(4, out _));
    }

    [Fact]
    public void Walks_from_key_to_key()
    {
        var pairs = _maps.Map<ulong, Pair>("pairs");
        Assert.False(pairs.TryFirstKey(out _));
        pairs.Update(1, default);
        pairs.Update(2, default);

        Assert.True(pairs.TryFirstKey(out var first));
        Assert.True(pairs.TryNextKey(first, out var second));
        Assert.False(pairs.TryNextKey(second, out _));

        Assert.Equal([1ul, 2ul], new[] { first, second }.Order());
    }

    [Fact]
    public void An_array_has_all_its_slots()
    {
        var slots = _maps.Map<uint, ulong>("slots");

        slots.Update(3, 33);

        Assert.True(slots.TryLookup(3, out var value));
        Assert.False(slots.TryLookup(4, out _));
        Assert.Equal(33ul, value);
        Assert.Equal(4, slots.CountEntries());
    }

    [Fact]
    public void A_prefix_trie_finds_the_longest_match()
    {
        var prefixes = _maps.Map<Prefix, uint>("prefixes");

        prefixes.Update(new Prefix(8, "10.0.0.0"), 1);
        prefixes.Update(new Prefix(16, "10.1.0.0"), 2);

        Assert.True(prefixes.TryLookup(new Prefix(32, "10.1.2.3"), out var inner));
        Assert.True(prefixes.TryLookup(new Prefix(32, "10.2.2.3"), out var outer));
        Assert.False(prefixes.TryLookup(new Prefix(32, "192.0.2.1"), out _));
        Assert.Equal((2u, 1u), (inner, outer));
        Assert.Equal(2, prefixes.CountEntries());
    }

    [Fact]
    public void Counts_entries_by_name_and_knows_which_maps_have_none()
    {
        using var records = TestPrograms.Load("records");
        _maps.RunOnce("fill");

        Assert.Equal(8, _maps.CountEntries("pairs"));
        Assert.Equal(0, _maps.CountEntries("prefixes"));
        Assert.Null(records.CountEntries("records"));
    }

    [Fact]
    public void A_per_cpu_array_brings_the_value_of_every_cpu()
    {
        var perCpu = _maps.PerCpuArray<Pair>("pairs_per_cpu");
        var values = new Pair[perCpu.CpuCount];

        _maps.RunOnce("fill");
        _maps.RunOnce("fill");
        perCpu.Read(1, values);

        Assert.Equal(2, values.Sum(value => (long)value.First));
        Assert.Equal(2, values.Sum(value => (long)value.Second));
        Assert.Throws<ArgumentOutOfRangeException>(() => perCpu.Read(0, values.AsSpan(1)));
        Assert.Throws<BpfException>(() => perCpu.Read(2, values));
    }

    [Fact]
    public void A_per_cpu_value_of_four_bytes_is_unpadded()
    {
        var perCpu = _maps.PerCpuArray<uint>("narrow_per_cpu");
        var values = new uint[perCpu.CpuCount];

        _maps.RunOnce("fill");
        perCpu.Read(0, values);

        Assert.Equal(3, values.Sum(value => value));
    }

    [Fact]
    public void An_iterator_visits_a_map_and_brings_what_it_wrote()
    {
        _maps.RunOnce("fill");
        using var visit = _maps.AttachIterator("visit", map: "pairs");
        var bytes = new List<byte>();

        visit.Run(piece => bytes.AddRange(piece));
        visit.Run();

        var keys = MemoryMarshal.Cast<byte, ulong>(bytes.ToArray()).ToArray();
        Assert.Equal(Enumerable.Range(100, 8).Select(key => (ulong)key), keys.Order());
        Assert.True(_maps.Map<ulong, Pair>("pairs").TryLookup(100, out var pair));
        Assert.Equal(7ul, pair.Second);
    }

    private static List<(ulong Key, ulong First)> ReadAll(MapBatches<ulong, Pair> batches)
    {
        var all = new List<(ulong Key, ulong First)>();
        while (batches.ReadNext())
        {
            for (var i = 0; i < batches.Keys.Length; i++)
            {
                all.Add((batches.Keys[i], batches.Values[i].First));
            }
        }

        all.Sort();
        return all;
    }

    /// <summary>Mirrors <c>struct prefix</c> of maps.bpf.c; the address is in network byte order.</summary>
    private readonly record struct Prefix(uint Length, uint Address)
    {
        public Prefix(uint length, string address)
            : this(length, BitConverter.ToUInt32(IPAddress.Parse(address).GetAddressBytes()))
        {
        }
    }
}
