using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Exporters.Trace;

/// <summary>A trace that goes on. Keeps its own books: what it showed, what it had no room for, what the kernel had no room for.</summary>
internal sealed class TraceRun : IFlowRecordSink, IDisposable
{
    // A full ring and a share of it that is used up: to who waits for a line they are the same.
    private static readonly LossReason[] s_noRoom =
        [LossReason.RingFull, LossReason.RecordsQuota, LossReason.Detections, LossReason.PayloadRing, LossReason.PayloadCalls];

    private static readonly LossReason[] s_unread = [LossReason.PayloadFault, LossReason.PayloadPages];

    private readonly IKernelSwitches _kernel;
    private readonly IKernelTotals _totals;
    private readonly long _kernelLostBefore;
    private readonly long _unreadBefore;
    private IFlowLineFormat? _format;
    private TraceFilter? _filter;
    private FlowLogWriter? _writer;
    private int _isOver;

    public TraceRun(IKernelSwitches kernel, IKernelTotals totals)
    {
        _kernel = kernel;
        _totals = totals;
        _kernelLostBefore = Lost(s_noRoom);
        _unreadBefore = Lost(s_unread);
        Epoch = kernel.BeginTrace();
    }

    public ushort Epoch { get; }

    /// <summary>Called on the writer's thread when the output starts to fail (errno) or works again (0).</summary>
    public Action<int> OutputChanged { get; set; } = _ => { };

    public long LinesWritten => Writer.LinesWritten;

    /// <summary>Records of this trace that found no room in its queue.</summary>
    public long Dropped => Writer.QueueFull;

    /// <summary>Records that found no room in the kernel since it began: of everybody, whatever the trace has chosen.</summary>
    public long DroppedInKernel => Lost(s_noRoom) - _kernelLostBefore;

    /// <summary>Pieces of payload that could not be read where they lay, since it began: of everybody.</summary>
    public long Unread => Lost(s_unread) - _unreadBefore;

    /// <summary>Ends when all lines asked for are written, or with the last one after <see cref="StopAsync"/>.</summary>
    public Task Finished => Writer.Finished;

    private FlowLogWriter Writer => _writer ?? throw new InvalidOperationException("The trace has not begun.");

    public void Start(TraceOrder order, IFlowLineFormat format, TraceFilter filter, IFlowLogOutput output)
    {
        _format = format;
        _filter = filter;
        _writer = new FlowLogWriter(format, output, order.QueueLength, order.MaxLines) { OutputChanged = errno => OutputChanged(errno) };
        _writer.Start();
    }

    // On the reader's thread, ahead of the queue: what is dropped there is what would have been shown, no more and no less.
    public void OnRecord(in FlowRecord record)
    {
        if (_format!.HasLine(in record) && _filter!.Accepts(in record))
        {
            _writer!.OnRecord(in record);
        }
    }

    public void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
        if (_filter!.Accepts(in record))
        {
            _writer!.OnPayload(in record, piece);
        }
    }

    /// <summary>Whether it may show payload of this record's flow. On the reader's thread.</summary>
    public bool Chooses(in FlowRecord record) => _filter!.Chooses(in record);

    /// <summary>Shows what is waiting, for as long as <paramref name="patience"/> lasts. No more records may come.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        End();
        await Writer.StopAsync(patience).ConfigureAwait(false);
    }

    public void Dispose()
    {
        End();
        _writer?.Dispose();
        (_format as IDisposable)?.Dispose();
    }

    private void End()
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 0)
        {
            _kernel.EndTrace();
        }
    }

    private long Lost(ReadOnlySpan<LossReason> reasons)
    {
        Span<ulong> byReason = stackalloc ulong[LossReasons.Count];
        _totals.ReadLosses(byReason);
        ulong sum = 0;
        foreach (var reason in reasons)
        {
            sum += byReason[(int)reason];
        }

        return (long)sum;
    }
}
