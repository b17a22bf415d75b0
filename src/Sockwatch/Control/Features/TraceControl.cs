using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Control.Features;

/// <summary><c>trace</c>: live records to whoever asks, several at once, each with its own choice, queue and books.</summary>
internal sealed class TraceControl : IControlFeature, IFlowExporter
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(1);

    // Records that were made before the end was asked for are read a tenth of a second later.
    private static readonly TimeSpan LastRecords = TimeSpan.FromMilliseconds(250);

    private readonly TraceSource _source;
    private readonly ControlOptions _options;
    private readonly ControlUse _use;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private volatile TraceRun[] _traces = [];
    private long _droppedByEnded;

    public TraceControl(TraceSource source, IOptions<ControlOptions> options, ControlUse use, LossLedger losses, TimeProvider time)
    {
        _source = source;
        _options = options.Value;
        _use = use;
        _time = time;
        losses.Follow(LossLedger.TraceStage, LossLedger.QueueFull, Dropped);
    }

    /// <summary>Traces that records go to.</summary>
    public int Count => _traces.Length;

    public void Register(ControlHandlers handlers) => handlers.On(ControlRequests.Trace, TraceAsync);

    public void OnRecord(in FlowRecord record)
    {
        foreach (var trace in _traces)
        {
            trace.OnRecord(in record);
        }
    }

    public void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
        foreach (var trace in _traces)
        {
            trace.OnPayload(in record, piece);
        }
    }

    private async Task<TraceEnd> TraceAsync(TraceArguments arguments, IControlStream<string> stream, CancellationToken cancellation)
    {
        var order = Accept(arguments);
        if (!_use.TryAddTrace())
        {
            throw new ControlException(ControlErrors.Failed, $"{_use.MaxTraces} traces are running already; end one, or raise control.maxTraces");
        }

        try
        {
            using var trace = _source.Begin(order, run => new Output(run, stream, _time));
            var failed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            trace.OutputChanged = _ => failed.TrySetResult();
            Add(trace);
            try
            {
                using var ending = CancellationTokenSource.CreateLinkedTokenSource(stream.Stopped, cancellation);
                await Task.WhenAny(trace.Finished, failed.Task, Task.Delay(Timeout.Infinite, ending.Token)).ConfigureAwait(false);
                if (stream.Stopped.IsCancellationRequested)
                {
                    await Task.WhenAny(trace.Finished, failed.Task, Task.Delay(LastRecords, _time, cancellation)).ConfigureAwait(false);
                }
            }
            finally
            {
                Remove(trace);
            }

            await trace.StopAsync(StopPatience).ConfigureAwait(false);
            return new TraceEnd(trace.LinesWritten, new StreamLosses(trace.Dropped, trace.DroppedInKernel, trace.Unread));
        }
        finally
        {
            _use.RemoveTrace();
        }
    }

    private TraceOrder Accept(TraceArguments arguments)
    {
        if (arguments.Choice.WhyNot() is { } wrong)
        {
            throw new ControlException(ControlErrors.BadArgument, PrintableText.Of(wrong));
        }

        if (arguments.Format is not ("text" or "json"))
        {
            throw new ControlException(ControlErrors.BadArgument, "the format of a trace is text or json");
        }

        return arguments.MaxLines is <= 0
            ? throw new ControlException(ControlErrors.BadArgument, "a trace has at least one line")
            : new TraceOrder(arguments.Choice, arguments.Format == "json", arguments.MaxLines ?? long.MaxValue, _options.TraceQueueLength);
    }

    private void Add(TraceRun trace)
    {
        lock (_lock)
        {
            _traces = [.. _traces, trace];
        }
    }

    private void Remove(TraceRun trace)
    {
        lock (_lock)
        {
            _traces = [.. _traces.Where(other => other != trace)];
            _droppedByEnded += trace.Dropped;
        }
    }

    private long Dropped()
    {
        lock (_lock)
        {
            return _droppedByEnded + _traces.Sum(trace => trace.Dropped);
        }
    }

    /// <summary>Lines as items of the stream, and once a second at most what was lost since. On the trace's own thread, which may wait.</summary>
    private sealed class Output(TraceRun trace, IControlStream<string> stream, TimeProvider time) : IFlowLogOutput
    {
        private static readonly TimeSpan LossInterval = TimeSpan.FromSeconds(1);

        private StreamLosses _told = new(0, 0);
        private long _toldAt = time.GetTimestamp();

        public string Name => "the control socket";

        public int Write(ReadOnlySpan<byte> data, out int errno)
        {
            try
            {
                stream.SendText(data);
                if (time.GetElapsedTime(_toldAt) >= LossInterval)
                {
                    TellLosses();
                }

                errno = 0;
                return data.Length;
            }
            catch (IOException)
            {
                errno = LibC.Epipe;
                return 0;
            }
        }

        public void Dispose()
        {
        }

        private void TellLosses()
        {
            _toldAt = time.GetTimestamp();
            var losses = new StreamLosses(trace.Dropped, trace.DroppedInKernel, trace.Unread);
            if (losses != _told)
            {
                _told = losses;
                stream.SendLosses(losses);
            }
        }
    }
}
