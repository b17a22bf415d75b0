using System.Buffers.Binary;
using Sockwatch.Bpf;
using Xunit;

namespace Sockwatch.KernelTests.Bpf;

public sealed class RingBufferTests : IDisposable
{
    // 12 bytes and a header of 8, rounded up to a multiple of 8.
    private const int RecordRoom = 24;
    private const int RecordsPerRun = 30;

    private readonly BpfObject _programs = TestPrograms.Load("records");

    public void Dispose() => _programs.Dispose();

    [Fact]
    public void Brings_records_in_order_and_leaves_out_discarded_ones()
    {
        using var ring = _programs.RingBuffer("records");
        var numbers = new Numbers();
        _programs.RunOnce("write_records");

        var drained = ring.Drain(numbers);

        Assert.Equal(20, drained);
        Assert.Equal(Enumerable.Range(0, 30).Where(number => number % 3 != 2), numbers.Seen);
        Assert.All(numbers.Lengths, length => Assert.Equal(12, length));
    }

    [Fact]
    public void Says_how_much_is_waiting()
    {
        using var ring = _programs.RingBuffer("records");
        _programs.RunOnce("write_records");

        var before = ring.Available();
        ring.Drain(new Numbers());

        Assert.Equal(4096, ring.Size);
        Assert.Equal(RecordsPerRun * RecordRoom, before);
        Assert.Equal(0, ring.Available());
    }

    [Fact]
    public void Stops_at_the_maximum_and_goes_on_from_there()
    {
        using var ring = _programs.RingBuffer("records");
        var numbers = new Numbers();
        _programs.RunOnce("write_records");

        Assert.Equal(3, ring.Drain(numbers, max: 3));
        Assert.Equal([0, 1, 3], numbers.Seen);
        Assert.Equal(17, ring.Drain(numbers));
    }

    [Fact]
    public void Comes_around_many_times_without_losing_a_record()
    {
        using var ring = _programs.RingBuffer("records");
        var numbers = new Numbers();

        for (var run = 0; run < 100; run++)
        {
            _programs.RunOnce("write_records");
            ring.Drain(numbers);
        }

        Assert.Equal(Enumerable.Range(0, 3000).Where(number => number % 3 != 2), numbers.Seen);
        Assert.Equal(0ul, _programs.GlobalVariable<ulong>("lost").Value);
    }

    [Fact]
    public async Task Every_submitted_record_arrives_while_the_kernel_keeps_writing()
    {
        using var ring = _programs.RingBuffer("records");
        var numbers = new Numbers();
        var submitted = _programs.GlobalVariable<ulong>("submitted");

        var writing = Task.Run(() =>
        {
            for (var run = 0; run < 20_000; run++)
            {
                _programs.RunOnce("write_records");
            }
        }, TestContext.Current.CancellationToken);
        while (!writing.IsCompleted)
        {
            ring.Drain(numbers);
        }

        await writing;
        ring.Drain(numbers);

        // How many find the buffer full depends on the scheduler; none that was submitted may be missing.
        Assert.Equal(submitted.Value, (ulong)numbers.Seen.Count);
        Assert.All(numbers.Seen.Zip(numbers.Seen.Skip(1)), pair => Assert.True(pair.First < pair.Second));
        Assert.All(numbers.Lengths, length => Assert.Equal(12, length));
    }

    [Fact]
    public void A_full_buffer_takes_records_again_once_drained()
    {
        using var ring = _programs.RingBuffer("records");
        var lost = _programs.GlobalVariable<ulong>("lost");
        var numbers = new Numbers();
        for (var run = 0; run < 10; run++)
        {
            _programs.RunOnce("write_records");
        }

        var lostWhileFull = lost.Value;
        ring.Drain(numbers);
        _programs.RunOnce("write_records");
        var drained = ring.Drain(numbers);

        Assert.True(lostWhileFull > 0);
        Assert.Equal(lostWhileFull, lost.Value);
        Assert.Equal(20, drained);
    }

    [Fact]
    public void A_consumer_that_throws_loses_that_record_only()
    {
        using var ring = _programs.RingBuffer("records");
        _programs.RunOnce("write_records");

        Assert.Throws<InvalidOperationException>(() => ring.Drain(new Failing()));
        var rest = new Numbers();
        ring.Drain(rest);

        Assert.Equal(1, rest.Seen[0]);
        Assert.Equal(19, rest.Seen.Count);
    }

    [Fact]
    public void Allocates_nothing_to_drain()
    {
        using var ring = _programs.RingBuffer("records");
        var silent = new Silent();

        // The runtime may allocate while it compiles a method again; draining itself never does.
        var smallest = Enumerable.Range(0, 10).Min(_ =>
        {
            _programs.RunOnce("write_records");
            var before = GC.GetAllocatedBytesForCurrentThread();
            ring.Drain(silent);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });

        Assert.Equal(0, smallest);
    }

    [Fact]
    public void Outlives_the_object_it_came_from()
    {
        using var ring = _programs.RingBuffer("records");
        _programs.RunOnce("write_records");

        _programs.Dispose();

        Assert.Equal(20, ring.Drain(new Numbers()));
    }

    [Fact]
    public void Draining_after_disposal_is_an_exception_and_no_crash()
    {
        var ring = _programs.RingBuffer("records");

        ring.Dispose();

        Assert.Throws<ObjectDisposedException>(() => ring.Drain(new Numbers()));
    }

    [Fact]
    public void Is_made_from_ring_buffers_only()
    {
        using var maps = TestPrograms.Load("maps");

        Assert.Throws<InvalidOperationException>(() => maps.RingBuffer("pairs"));
    }

    private sealed class Numbers : IRecordConsumer
    {
        public List<int> Seen { get; } = [];

        public List<int> Lengths { get; } = [];

        public void OnRecord(ReadOnlySpan<byte> record)
        {
            Seen.Add((int)BinaryPrimitives.ReadUInt64LittleEndian(record));
            Lengths.Add(record.Length);
        }
    }

    private sealed class Failing : IRecordConsumer
    {
        public void OnRecord(ReadOnlySpan<byte> record) => throw new InvalidOperationException();
    }

    private sealed class Silent : IRecordConsumer
    {
        public void OnRecord(ReadOnlySpan<byte> record)
        {
        }
    }
}
