using System.Runtime.InteropServices;
using Microsoft.Extensions.Configuration;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;

namespace Sockwatch.Commands.Trace;

/// <summary>A trace with programs of its own in the kernel, where no agent runs.</summary>
internal static class StandaloneTrace
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    public static async Task<int> RunAsync(
        CommandContext context, IConfiguration configuration, TraceOrder order, TimeSpan? duration, CancellationToken stopping)
    {
        var failedWith = 0;
        var outputFailed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TraceRun? trace = null;
        using var host = context.Composition.Trace(configuration, source =>
        {
            trace = source.Begin(order, run =>
            {
                run.OutputChanged = errno =>
                {
                    failedWith = errno;
                    outputFailed.TrySetResult();
                };
                return context.RecordOutput();
            });
            return trace;
        });

        try
        {
            await AgentHost.RunAsync(host, WaitAsync, stopping).ConfigureAwait(false);
        }
        finally
        {
            if (trace is not null)
            {
                await trace.StopAsync(StopPatience).ConfigureAwait(false);
                trace.Dispose();
            }
        }

        // A reader such as head(1) that has enough is no failure.
        if (failedWith is not (0 or LibC.Epipe))
        {
            throw new CommandFailedException($"cannot write to standard output: {Marshal.GetPInvokeErrorMessage(failedWith)}");
        }

        if (trace is not null)
        {
            TraceLosses.Tell(context.Terminal.Error, trace.Dropped, trace.DroppedInKernel, trace.Unread);
        }

        return ExitCode.Done;

        async Task WaitAsync(CancellationToken ending)
        {
            var end = duration is { } limit ? Task.Delay(limit, context.Time, ending) : Task.Delay(Timeout.Infinite, ending);
            var first = await Task.WhenAny(end, trace?.Finished ?? end, outputFailed.Task).ConfigureAwait(false);
            await first.ConfigureAwait(false);
        }
    }
}

/// <summary>What a trace says at its end about what it could not show; nothing when it showed all.</summary>
internal static class TraceLosses
{
    public static void Tell(TextWriter error, long dropped, long droppedInKernel, long unread)
    {
        if (dropped > 0)
        {
            error.WriteLine($"sockwatch: {Records(dropped)} lost because they came faster than they could be printed");
        }

        if (droppedInKernel > 0)
        {
            error.WriteLine(
                $"sockwatch: {Records(droppedInKernel)} lost in the kernel, of all processes together, because they came faster than they could be read");
        }

        if (unread > 0)
        {
            error.WriteLine($"sockwatch: payload could not be read {(unread == 1 ? "once" : $"{unread} times")}, of all processes together");
        }
    }

    private static string Records(long count) => count == 1 ? "1 record was" : $"{count} records were";
}
