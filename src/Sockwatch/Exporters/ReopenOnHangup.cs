using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters;

/// <summary>
/// Opens the flow log's file anew at SIGHUP, for whoever renames it, and says when that fails, at a rotation of its own as well. Without a file, the signal is taken and does nothing.
/// </summary>
internal sealed partial class ReopenOnHangup(RotatingFile? file, Action wake, ILogger<ReopenOnHangup> logger) : IHostedService, IDisposable
{
    private PosixSignalRegistration? _signal;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (file is not null)
        {
            file.ReopenFailing = reason =>
            {
                if (reason is null)
                {
                    Log.Reopened(logger, file.Name);
                }
                else
                {
                    Log.ReopenFailed(logger, file.Name, PrintableText.Of(reason));
                }
            };
        }

        _signal = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            if (file is not null)
            {
                Log.Reopening(logger, file.Name);
                file.Reopen();
                wake();
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

        [LoggerMessage(LogLevel.Warning, "The flow log {Target} cannot be opened anew: {Reason}. Records go on to the old file; each write tries again")]
        public static partial void ReopenFailed(ILogger logger, string target, string reason);

        [LoggerMessage(LogLevel.Warning, "The flow log {Target} is opened anew at last")]
        public static partial void Reopened(ILogger logger, string target);
    }
}
