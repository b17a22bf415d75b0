using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>Says what observes the machine, and takes over the sockets that were there before, ahead of any other stage.</summary>
internal sealed partial class KernelStage(
    KernelUse use, KernelPrograms programs, HookState hooks, Health health, ILogger<KernelStage> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        TellHost();
        hooks.Current = HookWatch.Report(programs.Outcomes, []);

        // After the programs are on, so that no socket is born between the two.
        programs.AdoptSockets();
        health.Met(Health.Hooks);
        return Task.CompletedTask;
    }

    // The programs stay on while the stages after this one end; the container disposes them last.
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void TellHost()
    {
        var host = HostFacts.Read(new HostPaths());
        Log.Host(logger, host.ToString());
        Log.Capabilities(logger, host.Capabilities.ToString());
        foreach (var missing in NeededCapability.On(host, use.Payload is { } reach && reach != PayloadReach.None).Where(needed => needed.IsMissing(host)))
        {
            Log.Missing(logger, missing.Name, missing.Without);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Host: {Host}")]
        public static partial void Host(ILogger logger, string host);

        [LoggerMessage(LogLevel.Information, "Running with {Capabilities}")]
        public static partial void Capabilities(ILogger logger, string capabilities);

        [LoggerMessage(LogLevel.Information, "Without {Capability}: {Without}")]
        public static partial void Missing(ILogger logger, string capability, string without);
    }
}
