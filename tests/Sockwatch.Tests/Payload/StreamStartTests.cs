using Sockwatch.Payload;
using Xunit;

namespace Sockwatch.Tests.Payload;

public class StreamStartTests
{
    private static readonly byte[] Stream = [.. Enumerable.Range(0, 2000).Select(i => (byte)(i * 7))];

    [Fact]
    public void Keeps_what_comes_in_order_up_to_the_limit()
    {
        var start = new StreamStart();

        Add(start, 0, 300, limit: 1000);
        Add(start, 300, 900, limit: 1000);
        Add(start, 1200, 100, limit: 1000);

        Assert.Equal(Stream.AsSpan(0, 1000), start.Bytes);
    }

    [Fact]
    public void Pieces_that_come_early_wait_for_what_is_before_them()
    {
        var start = new StreamStart();

        Add(start, 600, 100);
        Add(start, 300, 200);
        Assert.True(start.Bytes.IsEmpty);
        Add(start, 0, 300);
        Assert.Equal(Stream.AsSpan(0, 500), start.Bytes);
        Add(start, 450, 150);

        Assert.Equal(Stream.AsSpan(0, 700), start.Bytes);
    }

    [Fact]
    public void What_is_there_stays_as_it_was()
    {
        var start = new StreamStart();

        Add(start, 0, 100);
        start.Add(50, new byte[100], 1000);

        Assert.Equal(Stream.AsSpan(0, 100), start.Bytes[..100]);
        Assert.Equal(150, start.Bytes.Length);
    }

    [Fact]
    public void Holes_are_few()
    {
        var start = new StreamStart();
        for (var i = 50; i > 0; i--)
        {
            Add(start, (ulong)i * 20, 10);
        }

        Add(start, 0, 20);

        // All but sixteen were left out, those that came first being kept.
        Assert.Equal(20, start.Bytes.Length);
    }

    [Fact]
    public void Early_pieces_that_follow_each_other_are_one_stretch()
    {
        var start = new StreamStart();
        for (var i = 1; i < 50; i++)
        {
            Add(start, (ulong)i * 20, 20);
        }

        Add(start, 0, 20);

        Assert.Equal(Stream.AsSpan(0, 1000), start.Bytes);
    }

    [Fact]
    public void Takes_no_more_memory_than_the_limit()
    {
        var start = new StreamStart();

        Add(start, 0, 2000, limit: 700);
        Add(start, ulong.MaxValue - 5, 3, limit: 700);

        Assert.Equal(700, start.Size);
    }

    private static void Add(StreamStart start, ulong at, int length, int limit = 5000) =>
        start.Add(at, at < 2000 ? Stream.AsSpan((int)at, length) : new byte[length], limit);
}
