using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>
/// Carries flow records from the kernel to the sink. The programs never wake it: it looks ten times a second, which costs
/// the applications nothing. On its way it ends UDP conversations and, every so often, reports the flows that go on.
/// </summary>
internal sealed partial class RecordReader(
    KernelPrograms programs,
    IKernelSwitches switches,
    FlowReports reports,
    IFlowRecordSink sink,
    Health health,
    TimeProvider time,
    IOptions<ReaderOptions> options,
    ILogger<RecordReader> logger) : BackgroundService, IRecordConsumer
{
    private static readonly TimeSpan DrainInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan IdleCheckInterval = TimeSpan.FromSeconds(10);

    public void OnRecord(ReadOnlySpan<byte> record)
    {
        ref readonly var flow = ref MemoryMarshal.AsRef<FlowRecord>(record);
        if (flow.Kind == RecordKind.Payload)
        {
            ref readonly var payload = ref MemoryMarshal.AsRef<PayloadRecord>(record);
            sink.OnPayload(in flow, new PayloadPiece(
                payload.Sequence, payload.Direction, payload.More != 0, record.Slice(Unsafe.SizeOf<PayloadRecord>(), (int)payload.Length)));
            return;
        }

        sink.OnRecord(in flow);
    }

    // Draining blocks, so it owns a thread instead of starving the pool.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.Factory.StartNew(() => ReadUntil(stoppingToken), CancellationToken.None,
            TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void ReadUntil(CancellationToken stoppingToken)
    {
        using var ring = programs.Object.RingBuffer("flow_records");
        var conversations = new UdpConversations(programs);
        var reportedAt = time.GetTimestamp();
        var checkedAt = time.GetTimestamp();

        while (!stoppingToken.WaitHandle.WaitOne(DrainInterval))
        {
            ring.Drain(this);

            var isReportDue = options.Value.UpdateInterval > TimeSpan.Zero
                && time.GetElapsedTime(reportedAt) >= options.Value.UpdateInterval;
            if (isReportDue)
            {
                reportedAt = time.GetTimestamp();
                isReportDue = switches.EmitsFlowRecords;
            }

            if (isReportDue)
            {
                reports.Read(sink);
            }

            if (isReportDue || conversations.HasReleased() || time.GetElapsedTime(checkedAt) >= IdleCheckInterval)
            {
                checkedAt = time.GetTimestamp();
                conversations.Read(BootClock.NowNs(), options.Value.UdpIdle, isReportDue, sink);
            }

            health.Beat("record reader", TimeSpan.FromMinutes(1));
        }

        // The last flush: what has happened up to now, and how far the flows had come that go on without us.
        ring.Drain(this);
        if (options.Value.UpdateInterval > TimeSpan.Zero && switches.EmitsFlowRecords)
        {
            reports.Read(sink);
            conversations.Read(BootClock.NowNs(), options.Value.UdpIdle, report: true, sink);
        }

        Log.Drained(logger);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Debug, "Flow records drained")]
        public static partial void Drained(ILogger logger);
    }
}
