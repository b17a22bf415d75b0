using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Exporters;

/// <summary>Opens the flow log's file anew at SIGHUP, for whoever renames it. Without a file, the signal is taken and does nothing.</summary>
internal sealed partial class ReopenOnHangup(RotatingFile? file, ILogger<ReopenOnHangup> logger) : IHostedService, IDisposable
{
    private PosixSignalRegistration? _signal;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _signal = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            if (file is not null)
            {
                file.Reopen();
                Log.Reopening(logger, file.Name);
            }
        });
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _signal?.Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _signal?.Dispose();

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Opening the flow log {Target} anew")]
        public static partial void Reopening(ILogger logger, string target);
    }
}
