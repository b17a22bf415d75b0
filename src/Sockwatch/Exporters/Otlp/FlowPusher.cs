using System.Diagnostics.CodeAnalysis;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// Carries flow records of one signal from the reader's thread, which never waits, to the receiver. A request that may succeed
/// later is tried until it does, while records wait in a bounded queue; what finds no room there, and what the receiver
/// does not want, is counted.
/// </summary>
internal sealed class FlowPusher : IDisposable
{
    private const int BatchLength = 512;
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly string _name;
    private readonly Func<ReadOnlyMemory<FlowRecord>, OtlpOutcome> _send;
    private readonly Action<OtlpOutcome> _tell;
    private readonly FlowLogQueue _queue;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationToken _stop; // Can be asked after the source is gone.
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Thread? _thread;
    private long _queueFull;
    private long _undeliverable;
    private long _rejected;
    private long _delivered;

    /// <param name="send">Sends a batch, on this object's thread.</param>
    /// <param name="tell">Says for people how a batch fares.</param>
    public FlowPusher(
        string name,
        int queueLength,
        Func<ReadOnlyMemory<FlowRecord>, OtlpOutcome> send,
        Action<OtlpOutcome> tell,
        LossLedger losses,
        TimeProvider time)
    {
        _time = time;
        _name = name;
        _send = send;
        _tell = tell;
        _stop = _stopping.Token;
        _queue = new FlowLogQueue(queueLength);
        losses.Follow(name, LossLedger.QueueFull, () => Interlocked.Read(ref _queueFull));
        losses.Follow(name, LossLedger.Undeliverable, () => Interlocked.Read(ref _undeliverable));
        losses.Follow(name, LossLedger.Rejected, () => Interlocked.Read(ref _rejected));
    }

    public long QueueFull => Interlocked.Read(ref _queueFull);

    public long Undeliverable => Interlocked.Read(ref _undeliverable);

    public long Rejected => Interlocked.Read(ref _rejected);

    public long Delivered => Interlocked.Read(ref _delivered);

    public void OnRecord(in FlowRecord record)
    {
        if (!_queue.TryAdd(in record))
        {
            Interlocked.Increment(ref _queueFull);
        }
    }

    public void Start()
    {
        // The library's requests block; in the background, since a receiver that hangs must not keep the process alive.
        _thread = new Thread(PushUntilCompleted) { IsBackground = true, Name = _name };
        _thread.Start();
    }

    /// <summary>Sends what is queued, once, for as long as <paramref name="patience"/> lasts.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        _queue.Complete();
        await _stopping.CancelAsync().ConfigureAwait(false);
        if (_thread is not null)
        {
            await Task.WhenAny(_finished.Task, Task.Delay(patience)).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        _queue.Complete();
        _stopping.Dispose();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails stops nobody else.")]
    private void PushUntilCompleted()
    {
        var batch = new FlowRecord[BatchLength];
        int taken;
        while ((taken = _queue.Take(batch)) > 0)
        {
            // Few records at a time would be as many requests; a moment's wait makes one of them.
            if (taken < BatchLength && !IsStoppedWithin(Gather))
            {
                taken += _queue.TakeNow(batch.AsSpan(taken));
            }

            try
            {
                _tell(Deliver(batch.AsMemory(0, taken)));
            }
            catch (Exception) // Not the network, which never throws here: a record that cannot be written.
            {
                Interlocked.Add(ref _undeliverable, taken);
            }
        }

        _finished.TrySetResult();
    }

    /// <summary>The worst that came of it, of all the requests it took.</summary>
    private OtlpOutcome Deliver(ReadOnlyMemory<FlowRecord> batch)
    {
        var pause = ShortestPause;
        while (true)
        {
            var outcome = _send(batch);
            if (outcome.IsDelivered || outcome.Reason == OtlpOutcome.PartialSuccess)
            {
                var rejected = Math.Min(outcome.Rejected, batch.Length);
                Interlocked.Add(ref _rejected, rejected);
                Interlocked.Add(ref _delivered, batch.Length - rejected);
                return outcome;
            }

            if (outcome.Reason == OtlpOutcome.TooLarge && batch.Length > 1)
            {
                // Halves may be small enough. How large is too large only the receiver knows; that one record is, loses that one.
                var half = batch.Length / 2;
                return OtlpOutcome.Worse(Deliver(batch[..half]), Deliver(batch[half..]));
            }

            // Not all at once when many agents lost the same receiver.
            var asked = outcome.RetryAfter ?? pause;
            var wait = (asked > ShortestPause ? asked : ShortestPause) + TimeSpan.FromMilliseconds(Random.Shared.Next(100));
            if (!outcome.IsRetryable)
            {
                Interlocked.Add(ref _undeliverable, batch.Length);
                return outcome;
            }

            _tell(outcome);
            if (IsStoppedWithin(wait))
            {
                Interlocked.Add(ref _undeliverable, batch.Length);
                return outcome;
            }

            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
        }
    }

    private bool IsStoppedWithin(TimeSpan wait)
    {
        try
        {
            Task.Delay(wait, _time, _stop).GetAwaiter().GetResult();
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }
}
