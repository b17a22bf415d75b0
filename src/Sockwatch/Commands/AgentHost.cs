using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sockwatch.Configuration;

namespace Sockwatch.Commands;

/// <summary>What all hosts of the agent have in common: how they are made, and how they end.</summary>
internal static class AgentHost
{
    // Within the 5 s that a command has to end, with room for the flow log's last lines.
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(4);

    private static volatile bool s_hasEnded;

    /// <summary>
    /// Every stage has ended well. What is left, to take the programs off their hooks one by one, the kernel does by itself when the
    /// process is gone; a real-time kernel takes its time for it.
    /// </summary>
    public static bool HasEnded => s_hasEnded;

    /// <summary>A builder with our configuration and log, and no other source of either.</summary>
    public static HostApplicationBuilder CreateBuilder(IConfiguration configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddConfiguration(configuration);
        var log = new LogSwitch(configuration.LogLevel());
        builder.Logging.AddOperatorLog(log);
        builder.Services.AddSettings();
        if (configuration is IConfigurationRoot root && root.Providers.OfType<OperatorSettings>().SingleOrDefault() is { } settings)
        {
            builder.Services.AddSingleton(settings);
        }

        builder.Services.AddSingleton(new RunTimeOption(
            "log.level", () => ValueRule.Word(log.Level), level => log.Level = Enum.Parse<LogLevel>(level)));
        builder.Services.Configure<HostOptions>(options =>
        {
            options.ShutdownTimeout = StopPatience;
            options.BackgroundServiceExceptionBehavior = BackgroundServiceExceptionBehavior.StopHost;
        });

        // Signals are the command line's, for every command alike.
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        return builder;
    }

    /// <summary>Runs until told to stop, or until a stage fails: then throws what it failed with.</summary>
    public static async Task RunAsync(IHost host, CancellationToken stopping)
    {
        await RunAsync(host, token => Task.Delay(Timeout.Infinite, token), stopping).ConfigureAwait(false);
    }

    /// <summary>Runs a host for as long as some work takes.</summary>
    public static async Task RunAsync(IHost host, Func<CancellationToken, Task> work, CancellationToken stopping)
    {
        var lifetime = host.Services.GetRequiredService<IHostApplicationLifetime>();
        var started = false;
        s_hasEnded = false;
        try
        {
            await host.StartAsync(stopping).ConfigureAwait(false);
            started = true;
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, lifetime.ApplicationStopping);
            await work(ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested || lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Told to stop, by a signal or by a stage that failed; the latter is told apart below.
        }
        finally
        {
            // A start that failed half-way has stages to end as well.
            await StopAsync(host, started).ConfigureAwait(false);
        }

        ThrowIfStageFailed(host);
        s_hasEnded = true;
    }

    private static async Task StopAsync(IHost host, bool started)
    {
        using var patience = new CancellationTokenSource(StopPatience);
        try
        {
            await host.StopAsync(patience.Token).ConfigureAwait(false);
        }
        catch (Exception) when (!started || patience.IsCancellationRequested)
        {
            // The failure to start is the one to tell; a stage that does not end in time is left behind.
        }
    }

    // The host itself only logs what a background service threw, and would end as if all were well.
    private static void ThrowIfStageFailed(IHost host)
    {
        foreach (var stage in host.Services.GetServices<IHostedService>().OfType<BackgroundService>())
        {
            if (stage.ExecuteTask is { IsFaulted: true, Exception: { } failure })
            {
                throw new CommandFailedException(Diagnostics.PrintableText.Of(failure), failure);
            }
        }
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
