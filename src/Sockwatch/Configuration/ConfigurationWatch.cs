using System.Runtime.InteropServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Configuration;

/// <summary>
/// Reads the configuration again at SIGHUP, and when its file has changed and stays as it is. A file that is not acceptable is
/// named in one line and changes nothing. What only counts at the start is named too.
/// </summary>
internal sealed partial class ConfigurationWatch(
    OperatorSettings? settings, IEnumerable<IReloadable> reloadables, TimeProvider time, ILogger<ConfigurationWatch> logger) : BackgroundService
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    private readonly IReadOnlyList<IReloadable> _reloadables = [.. reloadables];
    private readonly Lock _lock = new();
    private Stamp _taken;
    private Stamp _seen;

    private readonly record struct Stamp(DateTime WrittenAt, long Length);

    /// <summary>Reads the file if it has changed, and did not change since the last look: whoever writes it has finished.</summary>
    public void Look()
    {
        lock (_lock)
        {
            var stamp = StampOfFile();
            if (stamp == _seen && stamp != _taken)
            {
                Reload();
            }

            _seen = stamp;
        }
    }

    public void ReloadNow()
    {
        lock (_lock)
        {
            _seen = StampOfFile();
            Reload();
        }
    }

    // Before the agent is said to have started, so that no change after that goes unseen.
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        _taken = _seen = StampOfFile();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            ReloadNow();
        });
        using var timer = new PeriodicTimer(LookInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                Look();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private void Reload()
    {
        _taken = _seen;
        if (settings?.File is not { } file)
        {
            return;
        }

        IReadOnlyDictionary<string, string?> fresh;
        try
        {
            fresh = settings.ReadAgain();
        }
        catch (ConfigurationException failure)
        {
            Log.Refused(logger, failure.Message);
            return;
        }

        var changed = Changed(settings.InForce, fresh);
        var waiting = changed.Where(key => !_reloadables.Any(one => OperatorSettings.IsUnder(key, PathOf(one)))).ToList();
        foreach (var reloadable in _reloadables.Where(one => changed.Exists(key => OperatorSettings.IsUnder(key, PathOf(one)))))
        {
            settings.TakeOver(fresh, PathOf(reloadable));
            reloadable.Reload(new ConfigurationBuilder().AddInMemoryCollection(fresh).Build());
            Log.TakenOver(logger, reloadable.Key, file);
        }

        if (waiting.Count > 0)
        {
            Log.Waiting(logger, string.Join(", ", waiting.Select(key => key.Replace(':', '.')).Order(StringComparer.Ordinal).Take(5)), file);
        }
    }

    private static List<string> Changed(IReadOnlyDictionary<string, string?> before, IReadOnlyDictionary<string, string?> after) =>
        [.. before.Keys.Union(after.Keys, StringComparer.OrdinalIgnoreCase).Where(key => before.GetValueOrDefault(key) != after.GetValueOrDefault(key))];

    private static string PathOf(IReloadable reloadable) => reloadable.Key.Replace('.', ':');

    // What a link leads to: a mounted ConfigMap changes by turning one.
    private Stamp StampOfFile()
    {
        try
        {
            if (settings?.File is { } path)
            {
                var file = new FileInfo(path);
                var target = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
                return target.Exists ? new Stamp(target.LastWriteTimeUtc, target.Length) : default;
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Being replaced at this moment; the next look finds it.
        }

        return default;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Took over {Key} from {File}")]
        public static partial void TakenOver(ILogger logger, string key, string file);

        [LoggerMessage(LogLevel.Error, "The configuration was not taken over, what is in force stays: {Reason}")]
        public static partial void Refused(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Warning, "Changes of {Keys} in {File} take a restart")]
        public static partial void Waiting(ILogger logger, string keys, string file);
    }
}
