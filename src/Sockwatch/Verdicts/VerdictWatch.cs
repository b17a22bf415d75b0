using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;

namespace Sockwatch.Verdicts;

/// <summary>
/// Reads lists again when they change, and lets entries with a time to live end. The kernel tells of changes in the files' directories,
/// which is where a ConfigMap changes; besides, it looks by itself now and then, for file systems that tell nothing.
/// </summary>
internal sealed partial class VerdictWatch(
    VerdictLists lists, AddedVerdicts added, IOptions<VerdictOptions> options, Health health, ILogger<VerdictWatch> logger) : BackgroundService
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ForgetInterval = TimeSpan.FromMinutes(5);

    private readonly List<FileSystemWatcher> _watchers = [];
    private int _touched;

    public override void Dispose()
    {
        _watchers.ForEach(watcher => watcher.Dispose());
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Watch();
        using var timer = new PeriodicTimer(Beat);
        var (sinceLook, sinceForgotten) = (TimeSpan.Zero, TimeSpan.Zero);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                added.Expire();
                health.Beat("verdict lists", TimeSpan.FromMinutes(2));
                sinceLook += Beat;
                sinceForgotten += Beat;
                if (sinceForgotten >= ForgetInterval)
                {
                    sinceForgotten = TimeSpan.Zero;
                    lists.ForgetUnlisted();
                }

                if (Interlocked.Exchange(ref _touched, 0) == 0 && sinceLook < LookInterval)
                {
                    continue;
                }

                sinceLook = TimeSpan.Zero;

                // Somebody may be writing: not before it has been left alone for a beat. Those who put a new file in the old one's
                // place have nothing to wait for, but who can tell.
                if (lists.HasChanged() && await IsLeftAloneAsync(timer, stoppingToken).ConfigureAwait(false))
                {
                    lists.Reload();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task<bool> IsLeftAloneAsync(PeriodicTimer timer, CancellationToken stopping)
    {
        // A file that is written to without end is read all the same.
        for (var beats = 0; beats < 20 && await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false); beats++)
        {
            if (Interlocked.Exchange(ref _touched, 0) == 0)
            {
                break;
            }
        }

        return true;
    }

    private void Watch()
    {
        var directories = options.Value.Files
            .Select(path => Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path)))
            .OfType<string>().Where(Directory.Exists).Distinct(StringComparer.Ordinal);
        foreach (var directory in directories)
        {
            try
            {
                var watcher = new FileSystemWatcher(directory)
                {
                    NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.CreationTime,
                };
                watcher.Changed += (_, _) => Touch();
                watcher.Created += (_, _) => Touch();
                watcher.Deleted += (_, _) => Touch();
                watcher.Renamed += (_, _) => Touch();
                watcher.Error += (_, _) => Touch();
                watcher.EnableRaisingEvents = true;
                _watchers.Add(watcher);
            }
            catch (Exception failure) when (failure is IOException or ArgumentException)
            {
                Log.NotWatched(logger, PrintableText.Of(directory), PrintableText.Of(failure), LookInterval.TotalSeconds);
            }
        }
    }

    private void Touch() => Volatile.Write(ref _touched, 1);

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The kernel does not tell of changes in {Directory} ({Reason}): lists there are looked at every {Seconds:0} s")]
        public static partial void NotWatched(ILogger logger, string directory, string reason, double seconds);
    }
}
