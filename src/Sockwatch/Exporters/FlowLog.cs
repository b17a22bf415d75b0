using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>The agent's flow log. A target that fails costs records, which are counted, and never the agent.</summary>
internal sealed partial class FlowLog : IFlowExporter, IHostedService, IDisposable
{
    private readonly StopDeadline _deadline;
    private readonly FlowLogWriter? _writer;
    private readonly FlowChoice _choice;

    /// <param name="output">Null when the flow log is off.</param>
    public FlowLog(
        IFlowLineFormat format,
        IFlowLogOutput? output,
        IOptions<FlowLogOptions> options,
        ILogger<FlowLog> logger,
        ExportFailures? failures = null,
        StopDeadline? deadline = null)
    {
        _deadline = deadline ?? new StopDeadline();
        _choice = new FlowChoice(options.Value);
        if (output is null)
        {
            return;
        }

        foreach (var reason in (string[])[ExportFailures.NoSpace, ExportFailures.BrokenPipe, ExportFailures.WriteFailed])
        {
            failures?.Announce(ExportFailures.FlowLog, reason);
        }

        _writer = new FlowLogWriter(format, output, options.Value.QueueLength)
        {
            WriteFailing = errno => failures?.Count(ExportFailures.FlowLog, Reason(errno)),
            OutputChanged = errno =>
            {
                if (errno == 0)
                {
                    Log.Recovered(logger, output.Name);
                }
                else
                {
                    Log.Failing(logger, output.Name, Marshal.GetPInvokeErrorMessage(errno));
                }
            },
        };
    }

    /// <summary>Records lost because the target was slower than they came.</summary>
    public long QueueFull => _writer?.QueueFull ?? 0;

    /// <summary>Records lost because the target refused them.</summary>
    public long WriteFailed => _writer?.WriteFailed ?? 0;

    public void OnRecord(in FlowRecord record)
    {
        if (_writer is not null && _choice.WantsRecord(in record))
        {
            _writer.OnRecord(in record);
        }
    }

    /// <summary>Has the target do what it was asked for, without waiting for a record.</summary>
    public void Wake() => _writer?.Wake();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _writer?.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => _writer?.StopAsync(_deadline.Patience()) ?? Task.CompletedTask;

    public void Dispose() => _writer?.Dispose();

    private static string Reason(int errno) => errno switch
    {
        LibC.Enospc or LibC.Edquot => ExportFailures.NoSpace,
        LibC.Epipe => ExportFailures.BrokenPipe,
        _ => ExportFailures.WriteFailed,
    };

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The flow log cannot be written to {Target}: {Reason}. Records are lost and counted until it can")]
        public static partial void Failing(ILogger logger, string target, string reason);

        [LoggerMessage(LogLevel.Warning, "The flow log is written to {Target} again")]
        public static partial void Recovered(ILogger logger, string target);
    }
}
