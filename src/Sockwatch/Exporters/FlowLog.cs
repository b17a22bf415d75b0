using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>The agent's flow log. A target that fails costs records, which are counted, and never the agent.</summary>
internal sealed partial class FlowLog : IFlowExporter, IHostedService, IDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly FlowLogWriter? _writer;

    /// <param name="output">Null when the flow log is off.</param>
    public FlowLog(IFlowLineFormat format, IFlowLogOutput? output, IOptions<FlowLogOptions> options, ILogger<FlowLog> logger)
    {
        if (output is null)
        {
            return;
        }

        _writer = new FlowLogWriter(format, output, options.Value.QueueLength)
        {
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

    public void OnRecord(in FlowRecord record) => _writer?.OnRecord(in record);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _writer?.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => _writer?.StopAsync(StopPatience) ?? Task.CompletedTask;

    public void Dispose() => _writer?.Dispose();

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The flow log cannot be written to {Target}: {Reason}. Records are lost and counted until it can")]
        public static partial void Failing(ILogger logger, string target, string reason);

        [LoggerMessage(LogLevel.Warning, "The flow log is written to {Target} again")]
        public static partial void Recovered(ILogger logger, string target);
    }
}
